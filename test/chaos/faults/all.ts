import { concurrentServer } from "./concurrent-server.ts";
import { counter } from "./counter.ts";
import type { Fault } from "./fault.ts";
import { gatewayFaults } from "./gateways.ts";
import { manyReplicaFaults } from "./many-replicas.ts";
import { oneReplicaFaults } from "./one-replica.ts";
import { stoppedPoolMemory } from "./stopped-pool-memory.ts";

/** Every fault, in the order they run. */
export const faults: readonly Fault[] = [
  ...oneReplicaFaults,
  ...manyReplicaFaults,
  ...gatewayFaults,
  concurrentServer,
  counter,
  stoppedPoolMemory,
];
