import type { ReplicaFault } from "../replica/commands.ts";
import type { Replica } from "../rig/replica.ts";
import { startRig } from "../rig/rig.ts";
import { sharedNowMs } from "../shared-clock.ts";
import { callerTimeoutMs, play, until } from "./episode.ts";
import type { Fault } from "./fault.ts";

interface OneReplicaFault {
  readonly name: string;
  readonly about: string;
  /** @returns when it began, by the shared clock */
  readonly begin: (replica: Replica) => Promise<number> | number;
  readonly heal?: (replica: Replica) => Promise<unknown>;
  readonly lastsMs?: number;
  /** Whether the process is stopped meanwhile. */
  readonly isStopped?: boolean;
}

/** How long a restarted replica reports LOADING, in milliseconds. */
const loadingMs = 200;
/** Between two resets of all connections, in milliseconds. */
const resetEveryMs = 150;
const resetCount = 4;

const healed = (replica: Replica) => replica.child.ask("fault", { kind: "none" });

function served(fault: ReplicaFault, about: string): OneReplicaFault {
  return {
    name: fault.kind,
    about,
    begin: (replica) => replica.child.ask("fault", fault),
    heal: healed,
  };
}

const all: readonly OneReplicaFault[] = [
  {
    name: "sigkill",
    about: "one of four replicas is killed, and started again",
    begin: ({ child }) => {
      const atMs = sharedNowMs();
      child.signal("SIGKILL");
      return atMs;
    },
    heal: (replica) => replica.restart(loadingMs),
  },
  {
    name: "sigstop",
    about: "one of four replicas stops for longer than any caller waits, and goes on",
    begin: ({ child }) => {
      const atMs = sharedNowMs();
      child.signal("SIGSTOP");
      return atMs;
    },
    heal: async ({ child }) => child.signal("SIGCONT"),
    lastsMs: callerTimeoutMs + 500,
    isStopped: true,
  },
  {
    name: "reset",
    about: "one of four replicas resets all of its connections, several times",
    begin: async ({ child }) => {
      const atMs = await child.ask("reset");
      for (let count = 1; count < resetCount; count += 1) {
        await until(sharedNowMs() + resetEveryMs);
        await child.ask("reset");
      }
      return atMs;
    },
  },
  served({ kind: "blackhole" }, "one of four replicas takes calls and answers none"),
  served({ kind: "goaway" }, "one of four replicas sends GOAWAY in the middle of calls"),
  served({ kind: "slow", factor: 10 }, "one of four replicas takes ten times as long"),
  served({ kind: "instant-failure" }, "one of four replicas rejects every Predict immediately"),
  served({ kind: "garbage" }, "one of four replicas answers bytes that are no reply"),
];

/** What can happen to one replica while the three others serve. */
export const oneReplicaFaults: readonly Fault[] = all.map((each) => ({
  name: each.name,
  about: `${each.about}: no request fails`,
  run: async (settings) => {
    const { serviceMs } = settings;
    await using rig = await startRig({ serviceMs, regions: [{ name: "westeurope", replicas: 4 }] });
    const [hit] = rig.replicas;
    if (!hit) throw new Error("there is no replica");
    if (each.isStopped) await rig.gateways[0]?.child.ask("guard", [hit.child.pid]);
    const { heal } = each;
    const { result } = await play(rig, {
      ...settings,
      fault: each.name,
      begin: () => each.begin(hit),
      ...(heal && { heal: () => heal(hit) }),
      ...(each.lastsMs !== undefined && { lastsMs: each.lastsMs }),
      hit: () => [hit],
    });
    return result;
  },
}));
