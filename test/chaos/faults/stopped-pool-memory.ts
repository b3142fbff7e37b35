import { startRig } from "../rig/rig.ts";
import { sharedNowMs } from "../shared-clock.ts";
import { andAlso, loadPlan, noInfo, resultOf, until } from "./episode.ts";
import type { Fault } from "./fault.ts";

const bodyBytes = 8_000_000;
const bodies = { least: 80, most: 1_000, perRequest: 1 / 15 };
/** Twice what a gateway takes in flight. */
const maxGrowthBytes = 1_024 * 2 ** 20;
const requestsAfterwards = 100;
/** When a pool that goes on has to be served from again, and how often that is tried, in milliseconds. */
const backWithinMs = 20_000;
const pauseMs = 250;
/** The ways in which a gateway says that it cannot now. */
const mayFail = [
  ...["overloaded", "deadline-exceeded", "upstream-failed", "no-replica", "model-not-ready"],
  // Whoever goes on sending after the answer is cut, and may have missed it.
  "connection-lost",
];

/** What cannot be sent on must be refused before it fills the memory. */
export const stoppedPoolMemory: Fault = {
  name: "stopped-pool-memory",
  about: "8 MB bodies to a pool that is stopped: memory is bounded, and then it works again",
  run: async (settings) => {
    const wanted = Math.ceil(settings.requests * bodies.perRequest);
    const count = Math.min(bodies.most, Math.max(bodies.least, wanted));
    await using rig = await startRig({
      ...settings,
      regions: [{ name: "westeurope", replicas: 2 }],
    });
    const [gateway] = rig.gateways;
    if (!gateway) throw new Error("there is no gateway");
    const ids = rig.replicas.map(({ id }) => id);
    await rig.status.untilReady(ids);
    await gateway.child.ask(
      "guard",
      rig.replicas.map(({ child }) => child.pid),
    );
    const idleBytes = await gateway.child.ask("peakBytes");
    for (const { child } of rig.replicas) child.signal("SIGSTOP");

    const closed = (callers: number) => ({ kind: "closed", callers }) as const;
    const plan = loadPlan(rig, { arrivals: closed(count), requests: count });
    await rig.load.ask("start", { ...plan, bodyBytes });
    await rig.load.ask("release");
    const stopped = await rig.load.ask("finished");
    const grownBytes = (await gateway.child.ask("peakBytes")) - idleBytes;

    for (const { child } of rig.replicas) child.signal("SIGCONT");
    const resumedAtMs = sharedNowMs();
    const few = loadPlan(rig, { arrivals: closed(4), requests: requestsAfterwards });
    let failedAfterwards = 0;
    do {
      await until(sharedNowMs() + pauseMs);
      await rig.load.ask("start", few);
      await rig.load.ask("release");
      failedAfterwards = (await rig.load.ask("finished")).failed;
    } while (failedAfterwards > 0 && sharedNowMs() < resumedAtMs + backWithinMs);
    const backAfterMs = Math.round(sharedNowMs() - resumedAtMs);

    const { ejections } = rig.status;
    const result = resultOf(stoppedPoolMemory.name, stopped, { ...noInfo, ejections, mayFail });
    return andAlso(result, {
      also: { grownMiB: Math.round(grownBytes / 2 ** 20), backAfterMs },
      missed: [
        grownBytes > maxGrowthBytes && "memory grew beyond twice what may be in flight",
        failedAfterwards > 0 && `${failedAfterwards} requests failed long afterwards`,
      ],
    });
  },
};
