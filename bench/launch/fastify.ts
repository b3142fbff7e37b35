import { startSubject } from "../process.ts";
import type { Peer } from "./peer.ts";

/** Fastify in front, proto-loader and grpc-js behind. */
export const fastify: Peer = {
  name: "fastify",
  warmUpRequests: 40_000,
  mayProfile: true,
  start: ({ backend, core, profileFolder }) =>
    startSubject("subjects/fastify.ts", [String(backend.port)], { core, profileFolder }),
};
