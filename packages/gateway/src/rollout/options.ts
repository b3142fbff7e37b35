import { z } from "zod";
import { countLimit, durationMs } from "../setting-schemas.ts";

export interface RolloutOptions {
  /**
   * File with the state of rollouts, which survives a restart; without it they end with the gateway. Gateways that share
   * the file follow each other within a second.
   */
  readonly file?: string;
  /**
   * How often conditions and steps are looked at, in milliseconds.
   * @default 1_000
   */
  readonly intervalMs?: number;
  /**
   * Shadowed calls of one model at the same time; further ones are dropped.
   * @default 4
   */
  readonly maxShadows?: number;
}

export const rolloutDefaults: Required<Omit<RolloutOptions, "file">> = {
  intervalMs: 1_000,
  maxShadows: 4,
};

export const rolloutSchema: z.ZodType<RolloutOptions> = z.strictObject({
  file: z.string().min(1).optional().describe("File with the state of rollouts."),
  intervalMs: durationMs.optional().describe("Interval of steps and checks, in milliseconds."),
  maxShadows: countLimit.optional().describe("Shadowed calls of one model at the same time."),
}) as z.ZodType<RolloutOptions>;
