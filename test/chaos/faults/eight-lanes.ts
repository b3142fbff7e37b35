import type { LoadPlan, LoadTarget } from "../load/commands.ts";
import { startRig } from "../rig/rig.ts";
import { andAlso, loadPlan, noFacts, resultOf } from "./episode.ts";
import type { Fault } from "./fault.ts";

const lanes = 8;
const callers = 32;
/** Long enough for the machine's processors not to be what limits the throughput, in milliseconds. */
const serviceMs = 40;
const leastShare = 0.95;
/** Both ways are measured in turns, since the machine may be faster or slower in between. */
const rounds = 2;

/** A server that does many things at the same time must be let do so. */
export const eightLanes: Fault = {
  name: "eight-lanes",
  about: "a server with eight lanes: throughput through the gateway is 0.95 of the direct one",
  run: async ({ requests, ...settings }) => {
    await using rig = await startRig({
      ...settings,
      serviceMs,
      regions: [{ name: "westeurope", replicas: 1 }],
      service: { lanes, slowShare: 0 },
    });
    await rig.status.untilReady(rig.replicas.map(({ id }) => id));
    const usual: LoadPlan = loadPlan(rig, {
      arrivals: { kind: "closed", callers },
      requests: Math.max(callers * 4, Math.ceil(requests / (2 * rounds))),
    });
    const measured = async (target: LoadTarget) => {
      await rig.load.ask("start", { ...usual, target });
      await rig.load.ask("release");
      return rig.load.ask("finished");
    };
    const perSecond = { direct: 0, gateway: 0 };
    const port = rig.replicas[0]?.port ?? 0;
    // Warms up, both ways.
    await measured({ kind: "replica", port });
    let through = await measured(usual.target);
    for (let round = 0; round < rounds; round += 1) {
      const direct = await measured({ kind: "replica", port });
      through = await measured(usual.target);
      perSecond.direct += (direct.answered / direct.durationMs) * (1_000 / rounds);
      perSecond.gateway += (through.answered / through.durationMs) * (1_000 / rounds);
    }
    const share = perSecond.gateway / perSecond.direct;
    return andAlso(resultOf(eightLanes.name, through, { ...noFacts, mayFail: [] }), {
      also: {
        directPerSecond: Math.round(perSecond.direct),
        gatewayPerSecond: Math.round(perSecond.gateway),
        share: Math.round(share * 1_000) / 1_000,
      },
      missedFigures: [share < leastShare && `${share.toFixed(3)} of the direct throughput`],
    });
  },
};
