// The gateway under test, in front of the backend at the given port. Prints its port.
import { createGateway } from "@tensorgate/gateway";

const gateway = createGateway({
  listen: { port: 0 },
  models: [
    {
      name: "bench",
      input: { tensor: "images", kind: "encoded-image" },
      output: { scores: { holds: "probabilities" } },
      labels: Array.from({ length: 1_000 }, (_, index) => `label ${index}`),
    },
  ],
  pools: [{ model: "bench", region: "local", replicas: [`127.0.0.1:${process.argv[2]}`] }],
});
await gateway.listen();
await gateway.ready();
process.stdout.write(`port ${gateway.port}\n`);
