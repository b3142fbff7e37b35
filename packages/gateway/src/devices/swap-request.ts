import { z } from "zod";

/** What a device is to hold, and how careful the gateway is on the way there. */
export interface SwapRequest {
  /** A model of an exclusive pool. */
  readonly model: string;
  /** Folder of the model, as the device sees it; a device that knows the model by its name needs none. */
  readonly basePath?: string;
  /** Devices that shall hold it, by alias or address. */
  readonly replicas?: readonly string[];
  /**
   * Devices that shall hold it in the end, where none are named. Those that hold it already count.
   * @default 1
   */
  readonly count?: number;
  /**
   * Replicas of a model that must be left ready, anywhere, when a device gives it up; 0 for none.
   * @default 1
   */
  readonly floor?: number;
  /** What a device must answer before it gets calls; that the test picture is scored without it. */
  readonly golden?: GoldenPicture;
  /**
   * How long a device may take to load the model, in milliseconds. An FPGA takes minutes.
   * @default 600_000
   */
  readonly timeoutMs?: number;
}

export interface GoldenPicture {
  /** Encoded: JPEG, PNG, …; the test picture without it. */
  readonly picture?: Uint8Array;
  /** Label that the model must find before all others; any without it. */
  readonly label?: string;
}

export const swapDefaults: Required<Pick<SwapRequest, "count" | "floor" | "timeoutMs">> = {
  count: 1,
  floor: 1,
  timeoutMs: 600_000,
};

/** Why a swap is not begun. */
export type SwapRefusal =
  /** The request is not well formed. */
  | "invalid"
  /** There is no such model, device or swap. */
  | "unknown"
  /** Another swap is under way. */
  | "busy"
  /** Too few replicas of a model would be left. */
  | "floor"
  /** A device does not answer. */
  | "unreachable";

/** A swap that is not begun: nothing has changed. */
export class SwapRefusedError extends Error {
  override readonly name = "SwapRefusedError";
  readonly reason: SwapRefusal;

  constructor(reason: SwapRefusal, message: string) {
    super(message);
    this.reason = reason;
  }
}

const requestJson = z
  .strictObject({
    model: z.string().min(1).max(1_024),
    basePath: z.string().max(4_096).optional(),
    replicas: z.array(z.string().min(1).max(1_024)).min(1).max(1_024).optional(),
    count: z.int().min(1).max(1_024).optional(),
    floor: z.int().min(0).max(1_024).optional(),
    golden: z
      .strictObject({
        picture: z.base64().min(1).optional(),
        label: z.string().min(1).max(1_024).optional(),
      })
      .optional(),
    timeoutMs: z.int().min(1).max(86_400_000).optional(),
  })
  .refine(({ replicas, count }) => replicas === undefined || count === undefined, {
    path: ["count"],
    message: "set replicas or count, not both",
  });

/**
 * Reads a request as JSON has it: the picture is base64.
 *
 * @throws SwapRefusedError with every fault
 */
export function swapRequestFromJson(json: unknown): SwapRequest {
  const parsed = requestJson.safeParse(json);
  if (!parsed.success) {
    const faults = parsed.error.issues.map(
      ({ path, message }) => `${path.map(String).join(".") || "the request"}: ${message}`,
    );
    throw new SwapRefusedError("invalid", faults.join("; "));
  }
  const { golden, ...request } = parsed.data;
  const { picture, label } = golden ?? {};
  // zod's optional keys are there without a value only where the JSON had none either.
  return {
    ...request,
    ...(golden && {
      golden: {
        ...(picture !== undefined && { picture: Buffer.from(picture, "base64") }),
        ...(label !== undefined && { label }),
      },
    }),
  } as SwapRequest;
}
