import { existsSync, readFileSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { SettingError } from "@tensorgate/core";
import { z } from "zod";
import { versionNumber as version } from "../setting-schemas.ts";
import { metrics } from "./machine/plan.ts";
import { noComparisons, noCounts, type RolloutState } from "./machine/state.ts";

const share = z.number().min(0).max(1);
const count = z.number().min(0);

const devices = z.object({
  floor: z.int().min(0).max(1_024),
  count: z.int().min(0).max(1_000_000),
  basePath: z.string().max(4_096),
  timeoutMs: z.int().min(1).max(86_400_000),
});

const plan = z.object({
  from: version,
  to: version,
  steps: z.array(z.number().min(0).max(100)).min(1).max(100),
  everyMs: count,
  abortIf: z.array(
    z.object({ metric: z.enum(metrics), is: z.enum(["above", "below"]), limit: share }),
  ),
  minCalls: count,
  sticky: z.enum(["key", "session", "none"]),
  shadowShare: share,
  devices: devices.optional(),
});

const state = z.object({
  revision: z.int().min(0).max(1_000_000_000),
  stable: version.optional(),
  running: z
    .object({
      plan,
      step: z.int().min(0).max(1_000),
      stepMs: count,
      to: z.object({ calls: count, failures: count }).default({ ...noCounts }),
      comparisons: z
        .object({ compared: count, top1: count, top5: count, iou: count, distance: count })
        .default({ ...noComparisons }),
    })
    .refine(({ plan: { steps }, step }) => step < steps.length, "its plan has no such step")
    .optional(),
  history: z.array(z.object({ stable: z.string(), text: z.string() })).max(1_000),
  before: z.array(version).max(1_000),
  devices: devices.optional(),
  leaving: z.object({ version, answers: z.boolean() }).optional(),
});

const document = z.object({ models: z.record(z.string(), state) });

export type RolloutStates = ReadonlyMap<string, RolloutState>;

/**
 * Reads the states of rollouts; none if there is no file.
 *
 * @throws SettingError if it is damaged, or its folder does not exist, so that it could not be written
 */
export function readRollouts(file: string): RolloutStates {
  if (!existsSync(file)) {
    if (existsSync(dirname(file))) return new Map();
    throw new SettingError("rollouts.file", new Error(`there is no folder ${dirname(file)}`));
  }
  try {
    const { models } = document.parse(JSON.parse(readFileSync(file, "utf8")));
    return new Map(Object.entries(models) as [string, RolloutState][]);
  } catch (thrown) {
    throw new SettingError(
      "rollouts.file",
      new Error(
        `${file} is damaged (${(thrown as Error).message.slice(0, 200)}); repair or remove it`,
      ),
    );
  }
}

/** Writes the states of rollouts: readers see all of it or the old one. */
export async function writeRollouts(file: string, states: RolloutStates): Promise<void> {
  const text = JSON.stringify({ models: Object.fromEntries(states) }, undefined, 2);
  const prepared = `${file}.${process.pid}.new`;
  await writeFile(prepared, `${text}\n`);
  await rename(prepared, file);
}
