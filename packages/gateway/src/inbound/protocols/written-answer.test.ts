import { create } from "@bufbuild/protobuf";
import { float32Tensor } from "@tensorgate/core";
import { ClassificationResponseSchema } from "@tensorgate/proto/tensorflow_serving/classification";
import { classificationAnswerJson, predictAnswerJson } from "@tensorgate/tf-serving";
import { expect, test } from "vitest";
import { writtenAnswer } from "./written-answer.ts";

const answerOf = (count: number) =>
  predictAnswerJson(
    new Map([["scores", float32Tensor([1, count], new Float32Array(count))]]),
    "row",
  );

test("other work has its turns while a long answer is written", async () => {
  let turnCount = 0;
  let isWritten = false;
  const turn = () => {
    turnCount += 1;
    if (!isWritten) setImmediate(turn);
  };
  setImmediate(turn);

  const body = await writtenAnswer(answerOf(100_000), new AbortController(), 400_000);
  isWritten = true;

  expect(JSON.parse(Buffer.from(body).toString()).predictions[0]).toHaveLength(100_000);
  // A piece is 16 KiB, which is what some three thousand numbers take.
  expect(turnCount).toBeGreaterThan(20);
});

test("an answer that is too long is given up at the limit", async () => {
  let byteCount = 0;
  function* counted() {
    for (const piece of answerOf(2_000_000)) {
      byteCount += piece.byteLength;
      yield piece;
    }
  }

  await expect(writtenAnswer(counted(), new AbortController(), 1_000)).rejects.toMatchObject({
    reason: "upstream-failed",
  });
  expect(byteCount).toBeLessThan(6_400_000);
});

test("an answer of many numbers may be as long as they are", async () => {
  const body = await writtenAnswer(answerOf(2_000_000), new AbortController(), 8_000_000);

  expect(body.byteLength).toBeGreaterThan(8_000_000);
});

test("writing stops when the call is cancelled", async () => {
  const controller = new AbortController();
  controller.abort(new Error("the client disconnected"));

  await expect(writtenAnswer(answerOf(100_000), controller, 400_000)).rejects.toThrow(
    "disconnected",
  );
});

test("a long label is written in pieces, too", () => {
  const label = "\u0001".repeat(1_000_000);
  const classifications = create(ClassificationResponseSchema, {
    result: { classifications: [{ classes: [{ label, score: 0.5 }] }] },
  }).result?.classifications;

  const pieces = [...classificationAnswerJson(classifications ?? [])];

  expect(Math.max(...pieces.map(({ byteLength }) => byteLength))).toBeLessThan(100_000);
  expect(JSON.parse(Buffer.concat(pieces).toString())).toEqual({ results: [[[label, 0.5]]] });
});
