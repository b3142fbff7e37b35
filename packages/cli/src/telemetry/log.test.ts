import type { ReplicaChange } from "@tensorgate/gateway";
import { expect, test } from "vitest";
import { openLog } from "./log.ts";

const changeTo = (to: ReplicaChange["to"]): ReplicaChange => ({
  alias: "eastus-2",
  replicaId: "10.1.0.5:8500",
  model: "shapes",
  region: "eastus",
  from: "ready",
  to,
  because: "consecutive failures",
});

test.each([
  { to: "suspect", isWarned: true },
  { to: "ejected", isWarned: true },
  { to: "ready", isWarned: false },
  { to: "draining", isWarned: false },
] as const)("a replica that is $to now: a warning is $isWarned", ({ to, isWarned }) => {
  const written: string[] = [];
  const env = { TENSORGATE_LOG_FORMAT: "pretty", TENSORGATE_LOG_LEVEL: "warn" };
  const output = {
    write: (line: string) => written.push(line),
    state: () => ({ queuedBytes: 0, droppedCount: 0 }),
    flush: async () => {},
  };

  openLog(env, output).replica(changeTo(to));

  expect(written.map((line) => line.slice(9))).toEqual(
    isWarned ? [`eastus-2 (10.1.0.5:8500) of shapes: ready → ${to}, consecutive failures\n`] : [],
  );
});
