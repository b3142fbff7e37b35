import type { Fault } from "./fault.ts";
import { oneReplicaFaults } from "./one-replica.ts";

/** Every fault, in the order they run. */
export const faults: readonly Fault[] = [...oneReplicaFaults];
