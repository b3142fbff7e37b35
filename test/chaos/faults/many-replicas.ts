import type { Replica } from "../rig/replica.ts";
import { type Rig, startRig } from "../rig/rig.ts";
import { sharedNowMs } from "../shared-clock.ts";
import { andAlso, play } from "./episode.ts";
import type { Fault } from "./fault.ts";

/** From western Europe to the east of America and back, in milliseconds. */
const roundTripMs = 90;
/** How long a restarted replica reports LOADING, in milliseconds. */
const loadingMs = 200;
/** Factor of the service times of all replicas. */
const slowdown = 5;

const regionLost: Fault = {
  name: "region-lost",
  about:
    "every replica of the own region is killed at 60 % load, another is 90 ms away: no request fails",
  run: async (settings) => {
    const near = { name: "westeurope", replicas: 3 };
    const far = { name: "eastus", replicas: 3, roundTripMs };
    await using rig = await startRig({ ...settings, regions: [near, far] });
    const lost = ({ replicas }: Rig) => replicas.filter(({ region }) => region === near.name);
    const { result, load, beganAtMs } = await play(rig, {
      ...settings,
      fault: regionLost.name,
      hit: lost,
      begin: () => {
        const atMs = sharedNowMs();
        for (const { child } of lost(rig)) child.signal("SIGKILL");
        return atMs;
      },
      heal: () => Promise.all(lost(rig).map((replica) => replica.restart(loadingMs))),
    });
    const second = { fromMs: beganAtMs, toMs: beganAtMs + 1_000 };
    const { p99Ms } = await rig.load.ask("latencies", second);
    const also = { nextSecondP99Ms: p99Ms, answeredFarAway: load.regions[far.name] ?? 0 };
    return andAlso(result, { also });
  },
};

const rollingRestart: Fault = {
  name: "rolling-restart-replicas",
  about: "four replicas are drained and restarted, one after the other: no request fails",
  run: async (settings) => {
    await using rig = await startRig({
      ...settings,
      regions: [{ name: "westeurope", replicas: 4 }],
    });
    const { result } = await play(rig, {
      ...settings,
      fault: rollingRestart.name,
      // A process that starts takes a processor of this machine from those that serve.
      share: 0.4,
      begin: async ({ replicas, status }) => {
        const atMs = sharedNowMs();
        for (const replica of replicas) await restarted(replica, status);
        return atMs;
      },
    });
    return result;
  },
};

async function restarted(replica: Replica, status: Rig["status"]): Promise<void> {
  const { child } = replica;
  await child.ask("drain");
  await child.ended;
  await replica.restart(loadingMs);
  await status.untilReady([replica.id]);
}

const allSlow: Fault = {
  name: "all-slow",
  about:
    "all four replicas take five times as long together: no request fails, no replica is ejected",
  run: async (settings) => {
    await using rig = await startRig({
      ...settings,
      regions: [{ name: "westeurope", replicas: 4 }],
    });
    const everyone = (factor: number) =>
      Promise.all(rig.replicas.map(({ child }) => child.ask("fault", { kind: "slow", factor })));
    const { result } = await play(rig, {
      ...settings,
      fault: allSlow.name,
      // What is 60 % afterwards, and as long as the others.
      share: 0.6 / slowdown,
      requests: Math.ceil(settings.requests / slowdown),
      begin: async () => Math.min(...(await everyone(slowdown))),
      heal: () => everyone(1),
    });
    const { ejections } = result;
    return andAlso(result, { missed: [ejections > 0 && `${ejections} ejections`] });
  },
};

/** What can happen to all replicas of a region. */
export const manyReplicaFaults: readonly Fault[] = [regionLost, rollingRestart, allSlow];
