import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startRig } from "../rig/rig.ts";
import { sharedNowMs } from "../shared-clock.ts";
import { andAlso, play, until } from "./episode.ts";
import type { Fault } from "./fault.ts";

/** Between two resets of one replica and before the end of another, in milliseconds: an ejection is over by then. */
const betweenMs = 400;
const resetCount = 3;
const loadingMs = 200;

/** A model that adds to a variable must not be asked twice for one call. */
export const counter: Fault = {
  name: "counter",
  about:
    "a model that counts, at replicas of which one resets, one is slow and one is killed: every answered call was executed once, no call twice",
  run: async (settings) => {
    const folder = mkdtempSync(join(tmpdir(), "tensorgate-chaos-"));
    const remove = () => rmSync(folder, { recursive: true, force: true });
    using _folder = { [Symbol.dispose]: remove };
    // Whoever ends the run early disposes of nothing.
    process.once("exit", remove);
    const fileOf = (index: number) => join(folder, `replica-${index}`);
    await using rig = await startRig({
      ...settings,
      isIdempotent: false,
      regions: [{ name: "westeurope", replicas: 4 }],
      serviceOf: (index) => ({ executedFile: fileOf(index) }),
    });
    const [first, second, third] = rig.replicas;
    const { result } = await play(rig, {
      ...settings,
      fault: counter.name,
      // A call on a lost connection may have been executed, and cannot be retried.
      mayFail: ["upstream-failed"],
      begin: async () => {
        const atMs = sharedNowMs();
        for (let count = 0; count < resetCount; count += 1) {
          await first?.child.ask("reset");
          await until(sharedNowMs() + betweenMs);
        }
        // Far longer than an attempt is given: another replica must not be asked for it all the same.
        await third?.child.ask("fault", { kind: "slow", factor: 25 });
        await until(sharedNowMs() + betweenMs);
        await third?.child.ask("fault", { kind: "none" });
        await until(sharedNowMs() + betweenMs);
        second?.child.signal("SIGKILL");
        return atMs;
      },
      heal: async () => second?.restart(loadingMs),
      hit: () => (first ? [first] : []),
    });

    const executions = new Map<string, number>();
    for (const [index] of rig.replicas.entries()) {
      for (const id of linesOf(fileOf(index))) executions.set(id, (executions.get(id) ?? 0) + 1);
    }
    const acknowledged = await rig.load.ask("acknowledged");
    const unexecuted = acknowledged.filter((id) => !executions.has(id)).length;
    const twice = [...executions.values()].filter((count) => count > 1).length;
    const acknowledgedTwice = acknowledged.filter((id) => (executions.get(id) ?? 0) > 1).length;
    return andAlso(result, {
      also: { executed: executions.size, executedTwice: twice, acknowledgedTwice },
      missed: [
        unexecuted > 0 && `${unexecuted} calls were answered and not executed`,
        twice > 0 && `${twice} calls were executed twice`,
      ],
    });
  },
};

function linesOf(file: string): readonly string[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8").split("\n").slice(0, -1);
}
