import { z } from "zod";
import { versionNumber } from "../setting-schemas.ts";

/** A request to swap devices to a model. */
export interface SwapRequest {
  /** A model of an exclusive pool. */
  readonly model: string;
  /**
   * Version that the devices hold in the end. A device with another version of the model unloads that first, since it has
   * no room for both. Without it, a device that holds any version stays as it is, and others load the newest.
   */
  readonly version?: string;
  /** Folder of the model, as the device sees it; omit it if the device finds the model by its name. */
  readonly basePath?: string;
  /** Devices to swap, by alias or address. */
  readonly replicas?: readonly string[];
  /**
   * Devices that hold the model in the end, unless `replicas` names them. Devices that hold it already count.
   * @default 1
   */
  readonly count?: number;
  /**
   * Replicas of a model that must stay ready, in any region, when a device unloads it; 0 for none.
   * @default 1
   */
  readonly floor?: number;
  /** Smoke test that a device must pass before it gets calls; without it, the test picture must be scored. */
  readonly golden?: GoldenPicture;
  /**
   * How long a device may take to load the model, in milliseconds. An FPGA takes minutes.
   * @default 600_000
   */
  readonly timeoutMs?: number;
}

export interface GoldenPicture {
  /** Encoded: JPEG, PNG, …; the test picture by default. */
  readonly picture?: Uint8Array;
  /** Label that the model must rank first; any by default. */
  readonly label?: string;
}

export const swapDefaults: Required<Pick<SwapRequest, "count" | "floor" | "timeoutMs">> = {
  count: 1,
  floor: 1,
  timeoutMs: 600_000,
};

/** Why a swap was rejected. */
export type SwapRefusal =
  /** The request is not well formed. */
  | "invalid"
  /** There is no such model, device or swap. */
  | "unknown"
  /** Another swap is in progress. */
  | "busy"
  /** Too few replicas of a model would stay ready. */
  | "floor"
  /** A device does not answer. */
  | "unreachable";

/** A swap that was rejected: nothing has changed. */
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
    version: versionNumber.optional(),
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
 * Parses a request in JSON, where the picture is base64.
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
