import type { GatewayOptions } from "@tensorgate/gateway";
import { startFakeReplica } from "./fake-replica.ts";
import { type RunningGateway, startGateway } from "./running-gateway.ts";
import { shapesOutputs } from "./shapes-answers.ts";

/** A gateway in front of a replica that answers every picture with the first label of the shapes model, which is `arrow`. */
export async function startAnsweringGateway(
  options: Partial<GatewayOptions> = {},
): Promise<RunningGateway> {
  const replica = await startFakeReplica({ answer: shapesOutputs });
  const running = await startGateway({ westeurope: [replica.address] }, options);
  return {
    ...running,
    [Symbol.asyncDispose]: async () => {
      await running[Symbol.asyncDispose]();
      await replica[Symbol.asyncDispose]();
    },
  };
}
