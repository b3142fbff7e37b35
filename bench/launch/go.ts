import { join } from "node:path";
import { replicaAddress } from "../backend/start-backend.ts";
import { startPinned } from "../process.ts";
import type { Peer } from "./peer.ts";
import { copySources, peerFolder, root, runStep } from "./peer-folder.ts";

/** Generators of the messages; the runtime's versions are in go.mod. */
const generators = [
  "google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12",
  "google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.1",
];
const folder = peerFolder("go");
const bin = join(folder, "bin");
const protoFolders = ["tensorflow", "tensorflow_serving"];

/**
 * net/http in front, grpc-go behind, which takes replicas in turn. Its collector runs on the same core, as the threads
 * of Node do.
 */
export function go({ replicaCount = 1 } = {}): Peer {
  return {
    name: "go",
    warmUpRequests: 5_000,
    build,
    start: ({ backend, core }) => {
      const addresses = Array.from({ length: replicaCount }, (_, index) =>
        replicaAddress(index, backend.port),
      );
      return startPinned([join(bin, "gateway"), ...addresses], { core });
    },
  };
}

async function build(): Promise<void> {
  copySources("go");
  for (const generator of generators) {
    await runStep(folder, ["go", "install", generator], { GOBIN: bin, GOTOOLCHAIN: "local" });
  }
  await runStep(root, [join(root, "node_modules/.bin/buf"), "generate", "--template", template()]);
  await runStep(folder, ["go", "build", "-o", join(bin, "gateway"), "."], { GOTOOLCHAIN: "local" });
}

function template(): string {
  const out = join(folder, "gen");
  return JSON.stringify({
    version: "v2",
    inputs: [{ directory: "proto", paths: protoFolders.map((name) => `proto/${name}`) }],
    managed: {
      enabled: true,
      override: [{ file_option: "go_package_prefix", value: "tensorgate.example/bench/gen" }],
    },
    plugins: ["protoc-gen-go", "protoc-gen-go-grpc"].map((name) => ({
      local: join(bin, name),
      out,
      opt: ["paths=source_relative"],
    })),
  });
}
