// A gateway in front of one replica, in a process of its own. Prints its port.
import { createGateway } from "@tensorgate/gateway";

const gateway = createGateway({
  listen: { port: 0 },
  models: [
    {
      name: "m",
      input: { tensor: "images", kind: "encoded-image" },
      output: { scores: { holds: "probabilities" } },
    },
  ],
  pools: [{ model: "m", region: "r", replicas: [`127.0.0.1:${process.argv[2]}`] }],
});
await gateway.listen();
await gateway.ready();
process.stdout.write(`port ${gateway.port}\n`);
