import type { Clock } from "@tensorgate/core";
import { ServingError } from "@tensorgate/tf-serving";
import { withDelay } from "../service/latency.ts";
import type { UnaryMethod } from "../service/unary-method.ts";
import type { FaultSwitch } from "./fault-switch.ts";

export interface FaultDeps {
  readonly faults: Pick<FaultSwitch, "strike" | "garbage">;
  readonly clock: Clock;
  /** Cuts the connection of a peer, as the peer sees it. */
  readonly resetConnection: (peer: string) => void;
}

/** Injects faults into a method, which runs as it is where none strikes. */
export function withFaults({
  faults,
  clock,
  resetConnection,
}: FaultDeps): (method: UnaryMethod) => UnaryMethod {
  return (sound) => ({
    ...sound,
    method: (message, isAbandoned, peer) => {
      const fault = faults.strike(sound.path);
      switch (fault?.kind) {
        case undefined:
          return sound.method(message, isAbandoned, peer);
        case "drop":
          return new Promise(() => {});
        case "reset":
          resetConnection(peer);
          return new Promise(() => {});
        case "garbage":
          return faults.garbage();
        case "error":
          throw new ServingError(fault.code, fault.message ?? "injected fault");
        case "delay":
          return withDelay(fault.delayMs, clock, async () =>
            sound.method(message, isAbandoned, peer),
          );
      }
    },
  });
}
