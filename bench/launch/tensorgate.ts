import { replicaAddress } from "../backend/start-backend.ts";
import { startSubject } from "../process.ts";
import type { SubjectOptions } from "../subjects/tensorgate.ts";
import type { Peer } from "./peer.ts";

export interface TensorgateOptions {
  readonly replicaCount?: number;
  readonly modelCount?: number;
  readonly isTls?: boolean;
  /** Limits of connections and of waiting calls; the defaults otherwise. */
  readonly maxCalls?: number;
}

/** What `npm start`, the image and the systemd unit start Node with, and what the command sets itself before it serves. */
export const nodeOptions: readonly string[] = [
  "--max-semi-space-size=8",
  "--no-allocation-site-pretenuring",
  "--heap-growing-percent=100",
];

/** The gateway, as it is shipped, with default settings unless `options` says otherwise. */
export function tensorgate(options: TensorgateOptions = {}): Peer {
  const { replicaCount = 1, modelCount = 1, isTls = false, maxCalls } = options;
  return {
    name: "tensorgate",
    warmUpRequests: 40_000,
    mayProfile: true,
    start: ({ backend, core, tls, profileFolder }) => {
      const subject: SubjectOptions = {
        replicas: Array.from({ length: replicaCount }, (_, index) =>
          replicaAddress(index, backend.port),
        ),
        modelCount,
        tls: isTls ? tls : undefined,
        maxCalls,
      };
      const args = [JSON.stringify(subject)];
      return startSubject("subjects/tensorgate.ts", args, { core, nodeOptions, profileFolder });
    },
  };
}
