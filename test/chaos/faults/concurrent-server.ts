import type { LoadPlan, LoadTarget } from "../load/commands.ts";
import { startRig } from "../rig/rig.ts";
import { andAlso, loadPlan, noInfo, resultOf } from "./episode.ts";
import type { Fault } from "./fault.ts";

const concurrency = 8;
const callers = 32;
/** Long enough that the machine's processors do not limit the throughput, in milliseconds. */
const serviceMs = 40;
const minShare = 0.95;
/** Both ways are measured in turns, since the speed of the machine may change. */
const rounds = 2;

/** A server that processes requests concurrently must be kept busy. */
export const concurrentServer: Fault = {
  name: "concurrent-server",
  about:
    "a server with a concurrency of 8: throughput through the gateway is at least 0.95 of that without it",
  run: async ({ requests, ...settings }) => {
    await using rig = await startRig({
      ...settings,
      serviceMs,
      regions: [{ name: "westeurope", replicas: 1 }],
      service: { concurrency, slowShare: 0 },
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
    return andAlso(resultOf(concurrentServer.name, through, { ...noInfo, mayFail: [] }), {
      also: {
        directPerSecond: Math.round(perSecond.direct),
        gatewayPerSecond: Math.round(perSecond.gateway),
        share: Math.round(share * 1_000) / 1_000,
      },
      missedFigures: [share < minShare && `${share.toFixed(3)} of the direct throughput`],
    });
  },
};
