import { startRig } from "../rig/rig.ts";
import { sharedNowMs } from "../shared-clock.ts";
import { andAlso, play, until } from "./episode.ts";
import type { Fault } from "./fault.ts";

const stallMs = 200;
const stallCount = 3;

const rollingRestart: Fault = {
  name: "rolling-restart-gateways",
  about:
    "two gateways are drained by SIGTERM and restarted, one after the other; callers retry only what was never accepted: no request fails",
  run: async (settings) => {
    await using rig = await startRig({
      ...settings,
      gatewayCount: 2,
      regions: [{ name: "westeurope", replicas: 4 }],
    });
    let longestDrainMs = 0;
    const { result, load } = await play(rig, {
      ...settings,
      fault: rollingRestart.name,
      begin: async ({ gateways }) => {
        const atMs = sharedNowMs();
        for (const gateway of gateways) {
          const toldAtMs = sharedNowMs();
          gateway.child.signal("SIGTERM");
          await gateway.child.ended;
          longestDrainMs = Math.max(longestDrainMs, sharedNowMs() - toldAtMs);
          await gateway.restart();
        }
        return atMs;
      },
    });
    const { sentElsewhere } = load;
    return andAlso(result, { also: { sentElsewhere, longestDrainMs: Math.round(longestDrainMs) } });
  },
};

const stalledLoop: Fault = {
  name: "stalled-loop",
  about: "the gateway's own event loop stalls for 200 ms: no request fails, no replica is ejected",
  run: async (settings) => {
    await using rig = await startRig({
      ...settings,
      regions: [{ name: "westeurope", replicas: 4 }],
    });
    const { result } = await play(rig, {
      ...settings,
      fault: stalledLoop.name,
      begin: async ({ gateways: [gateway] }) => {
        const atMs = sharedNowMs();
        for (let count = 0; count < stallCount; count += 1) {
          await gateway?.child.ask("stall", stallMs);
          await until(sharedNowMs() + stallMs);
        }
        return atMs;
      },
    });
    const { ejections } = result;
    return andAlso(result, { missed: [ejections > 0 && `${ejections} ejections`] });
  },
};

/** What can happen to gateways themselves. */
export const gatewayFaults: readonly Fault[] = [rollingRestart, stalledLoop];
