import { z } from "zod";
import { versionNumber as version } from "../setting-schemas.ts";
import { tooFew } from "./machine/devices.ts";
import { parseCondition, type RolloutPlan } from "./machine/plan.ts";

/** Why a command on rollouts was refused. */
export type RolloutRefusal =
  /** The request is not well formed, or makes no sense now. */
  | "invalid"
  /** There is no such model or version. */
  | "unknown";

/** A command on rollouts that was refused: nothing has changed. */
export class RolloutRefusedError extends Error {
  override readonly name = "RolloutRefusedError";
  readonly reason: RolloutRefusal;

  constructor(reason: RolloutRefusal, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** A request to roll a version out. */
export interface RolloutRequest extends Partial<Omit<RolloutPlan, "abortIf" | "to" | "devices">> {
  readonly to: string;
  /**
   * Devices that keep the version in use until the new one is promoted; only for devices that hold one version at a time.
   * @default 1
   */
  readonly floor?: number;
  /** Folder of the model, as such a device sees it; omit it if the device finds the model by its name. */
  readonly basePath?: string;
  /**
   * How long such a device may take to load a version, in milliseconds.
   * @default 600_000
   */
  readonly timeoutMs?: number;
  /** Such as `failures>1%` and `top1<0.98`. */
  readonly abortIf?: readonly string[];
}

export const planDefaults: Omit<RolloutPlan, "from" | "to" | "devices"> = {
  steps: [5, 25, 50, 100],
  everyMs: 300_000,
  abortIf: [],
  minCalls: 20,
  sticky: "none",
  shadowShare: 0.1,
};

const share = z.number().min(0).max(1);

const requestJson = z.strictObject({
  to: version,
  from: version.optional(),
  steps: z.array(z.number().gt(0).max(100)).min(1).max(100).optional(),
  everyMs: z.number().min(1).max(86_400_000).optional(),
  abortIf: z.array(z.string().max(100)).max(20).optional(),
  minCalls: z.int().min(1).max(1_000_000).optional(),
  sticky: z.enum(["key", "session", "none"]).optional(),
  shadowShare: share.optional(),
  floor: z.int().min(0).max(1_024).optional(),
  basePath: z.string().max(4_096).optional(),
  timeoutMs: z.int().min(1).max(86_400_000).optional(),
});

const shadowJson = z.strictObject({
  version: version.optional(),
  share: share.optional(),
  keepPictures: z.boolean().optional(),
});

/** A request to shadow a version; without one, shadowing ends. */
export interface ShadowRequest {
  readonly version?: string;
  /** @default 0.1 */
  readonly share?: number;
  /**
   * Whether the pictures of the worst pairs are kept, up to 4 MiB each, until the shadow ends.
   * @default false
   */
  readonly keepPictures?: boolean;
}

/** @throws RolloutRefusedError with every fault */
export const rolloutRequestFromJson = (json: unknown): RolloutRequest =>
  parsed(requestJson, json) as RolloutRequest;

/** @throws RolloutRefusedError with every fault */
export const shadowRequestFromJson = (json: unknown): ShadowRequest =>
  parsed(shadowJson, json) as ShadowRequest;

function parsed<Value>(schema: z.ZodType<Value>, json: unknown): Value {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const faults = result.error.issues.map(
    ({ path, message }) => `${path.map(String).join(".") || "the request"}: ${message}`,
  );
  throw new RolloutRefusedError("invalid", faults.join("; "));
}

/**
 * Completes a request.
 *
 * @param deviceCount - devices that serve the model, if each holds one version at a time
 * @throws RolloutRefusedError for a condition that cannot be read, or too few devices
 */
export function planFrom(
  request: RolloutRequest,
  from: string,
  deviceCount: number | undefined,
): RolloutPlan {
  const { abortIf = [], floor, basePath, timeoutMs, ...rest } = request;
  const plan = { ...planDefaults, from, ...rest, abortIf: conditionsFrom(abortIf) };
  if (deviceCount === undefined) {
    const given = Object.entries({ floor, basePath, timeoutMs }).find(([, value]) => value != null);
    if (!given) return plan;
    throw new RolloutRefusedError(
      "invalid",
      `${given[0]} is for devices that hold one version at a time (pools with exclusive: true)`,
    );
  }
  const devices = {
    floor: floor ?? deviceDefaults.floor,
    count: deviceCount,
    basePath: basePath ?? "",
    timeoutMs: timeoutMs ?? deviceDefaults.timeoutMs,
  };
  if (deviceCount <= devices.floor) {
    throw new RolloutRefusedError("invalid", tooFew(deviceCount, devices.floor));
  }
  return { ...plan, devices };
}

/** Defaults of rollouts on devices that hold one version at a time. */
export const deviceDefaults = { floor: 1, timeoutMs: 600_000 } as const;

function conditionsFrom(texts: readonly string[]): RolloutPlan["abortIf"] {
  try {
    return texts.map(parseCondition);
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown;
    throw new RolloutRefusedError("invalid", thrown.message);
  }
}
