// A gateway in front of one replica, in its own process. Prints its port.
import { createGateway, type GatewayOptions } from "@tensorgate/gateway";

const options: GatewayOptions = {
  listen: { port: 0 },
  models: [
    {
      name: "m",
      input: { tensor: "images", kind: "encoded-image" },
      output: { scores: { holds: "probabilities" } },
    },
  ],
  pools: [{ model: "m", region: "r", replicas: [`127.0.0.1:${process.argv[2]}`] }],
};
const gateway = createGateway(options, {
  onRejectedConnections: ({ reason }) => process.stderr.write(`rejected: ${reason}\n`),
});
await gateway.listen();
await gateway.ready();
process.stdout.write(`port ${gateway.port}\n`);
