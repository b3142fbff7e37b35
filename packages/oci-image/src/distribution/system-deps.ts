import { systemClock } from "../system-clock.ts";
import { createDockerCredentials, runDockerHelper } from "./docker-credentials.ts";
import type { OciDeps } from "./oci-connection.ts";

/** The real network, clock and chance, and the credentials of `docker login`. */
export function systemOciDeps(): OciDeps {
  return {
    clock: systemClock,
    random: Math.random,
    nowMs: Date.now,
    fetch,
    findCredentials: createDockerCredentials({ env: process.env, runHelper: runDockerHelper }),
  };
}
