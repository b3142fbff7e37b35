import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { nodeCommand } from "../process.ts";
import { summarizeRounds } from "../statistics.ts";
import type { JsonTensorSpeeds } from "../subjects/json-tensors.ts";
import type { Group } from "./group.ts";

/** How fast the tensor of a `:predict` body is read, in its own process, beside what a user would write. */
export const jsonTensors: Group = {
  name: "json-tensors",
  rows: ["json-tensors"],
  run: async ({ core, settings, say }) => {
    say("json-tensors");
    const [node = "", ...args] = nodeCommand("subjects/json-tensors.ts", "built");
    const command = ["-c", String(core), node, ...args, String(settings.rounds)];
    const { stdout } = await promisify(execFile)("taskset", command);
    const speeds = JSON.parse(stdout) as JsonTensorSpeeds;
    return Object.entries(speeds).map(([subject, rounds]) =>
      summarizeRounds(
        "json-tensors",
        subject,
        rounds.map((megabytesPerSecond) => ({ megabytesPerSecond })),
      ),
    );
  },
};
