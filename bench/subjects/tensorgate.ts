// The gateway under test, in front of the replicas that its argument names, as JSON. Prints its port when it is ready.
import { createGateway } from "@tensorgate/gateway";

export interface SubjectOptions {
  /** Addresses of the replicas of every model. */
  readonly replicas: readonly string[];
  readonly modelCount?: number;
  /** Paths of PEM files. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /** Limits of connections per address, and of calls that wait. */
  readonly maxCalls?: number | undefined;
}

const options = JSON.parse(process.argv[2] ?? "") as SubjectOptions;
const { replicas, modelCount = 1, tls, maxCalls } = options;

const names = Array.from({ length: modelCount }, (_, index) =>
  index === 0 ? "bench" : `bench-${index}`,
);
const gateway = createGateway({
  listen: { port: 0, ...(tls && { tls }), ...(maxCalls && { maxConnectionsPerAddress: maxCalls }) },
  models: names.map((name) => ({
    name,
    input: { tensor: "images", kind: "encoded-image" },
    output: { scores: { holds: "probabilities" } },
    labels: Array.from({ length: 1_000 }, (_, index) => `label ${index}`),
  })),
  pools: names.map((model) => ({ model, region: "local", replicas })),
  routing: { ...(maxCalls && { maxWaiting: maxCalls }) },
});
await gateway.listen();
await gateway.ready();
process.stdout.write(`port ${gateway.port}\n`);
