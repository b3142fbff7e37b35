// Two replicas that answer every Predict, in their own process; a message makes the next one asked die.
import { float32Tensor } from "@tensorgate/core";
import { type FakeReplica, startFakeReplica } from "../../test/support/fake-replica.ts";
import { classScores, ssdHead } from "../../test/support/family-answers.ts";

const outputs = new Map([
  ...ssdHead(
    [{ layer: 5, row: 0, column: 0, anchor: 0, classIndex: 7, logit: 12, offsets: [0, 0, 0, 0] }],
    { names: "alias" },
  ),
  ["scores", classScores(1_000, { 5: 0.75, 6: 0.25 })],
  ["y", float32Tensor([2], Float32Array.of(2.5, 3))],
]);

let isNextToDie = false;
const replicas: FakeReplica[] = [];
for (const index of [0, 1]) {
  replicas.push(
    await startFakeReplica({
      answer: ({ outputFilter }) => {
        if (outputFilter.length === 0) return outputs;
        return new Map([...outputs].filter(([name]) => outputFilter.includes(name)));
      },
      intercept: (_stream, headers) => {
        if (!isNextToDie || !headers[":path"]?.endsWith("/Predict")) return false;
        isNextToDie = false;
        void replicas[index]?.[Symbol.asyncDispose]();
        return true;
      },
    }),
  );
}
process.on("message", () => {
  isNextToDie = true;
  process.send?.("armed");
});
process.send?.(replicas.map(({ address }) => address));
