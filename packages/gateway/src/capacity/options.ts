import { z } from "zod";
import { durationMs } from "../setting-schemas.ts";

export interface CapacityOptions {
  /** Resources of nodes whose free devices are counted, such as `xilinx.com/fpga`. */
  readonly resources: readonly string[];
  /**
   * Shortest time between two reads of nodes and pods, in milliseconds. They are read only while a client asks for the status.
   * @default 60_000
   */
  readonly minIntervalMs?: number;
}

export const capacityDefaults: Readonly<Required<Omit<CapacityOptions, "resources">>> = {
  minIntervalMs: 60_000,
};

/** Kinds of devices that are counted: each has a line in the status. */
const maxResources = 16;

export const capacitySchema: z.ZodType<CapacityOptions> = z.strictObject({
  resources: z
    .array(
      z
        .string()
        .max(253)
        .regex(/^[a-z0-9.-]+\/[A-Za-z0-9._-]+$/, "expected a resource such as xilinx.com/fpga"),
    )
    .min(1)
    .max(maxResources)
    .describe("Resources of nodes whose free devices are counted, such as xilinx.com/fpga."),
  minIntervalMs: durationMs
    .min(1_000)
    .optional()
    .describe("Shortest time between two reads of nodes and pods, in milliseconds."),
}) as z.ZodType<CapacityOptions>;
