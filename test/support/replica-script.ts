// A replica that answers every Predict with two scores, in its own process. Prints its port.
import { float32Tensor } from "@tensorgate/core";
import { startFakeReplica } from "./fake-replica.ts";

const { address } = await startFakeReplica({
  answer: () => new Map([["scores", float32Tensor([1, 2], Float32Array.of(0.25, 0.75))]]),
});
process.stdout.write(`port ${address.split(":")[1]}\n`);
