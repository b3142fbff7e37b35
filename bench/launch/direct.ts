import type { Peer } from "./peer.ts";

/** The backend without any gateway: what every other subject pays in addition to its own work. */
export const direct: Peer = {
  name: "direct",
  warmUpRequests: 1_000,
  start: async ({ backend }) => ({
    pid: backend.pid,
    port: backend.port,
    cpuMicros: () => backend.cpuMicros(),
    residentBytes: () => backend.residentBytes(),
    // The backend outlives what is measured in front of it.
    [Symbol.asyncDispose]: async () => {},
  }),
};
