import { expect, test } from "vitest";
import { assertParams, classifyParams, detectParams, pictureParams } from "./query-params.ts";

const paramsOf = {
  classify: [...pictureParams, ...classifyParams],
  detect: [...pictureParams, ...detectParams],
};

test.each([
  { task: "classify", name: "topk", hint: "did you mean topK?" },
  { task: "classify", name: "TOP", hint: "did you mean topK?" },
  { task: "classify", name: "k", hint: "did you mean topK?" },
  { task: "classify", name: "regoin", hint: "did you mean region?" },
  { task: "classify", name: "treshold", hint: "did you mean minScore?" },
  { task: "detect", name: "threshold", hint: "did you mean minScore?" },
  { task: "detect", name: "scoreThreshold", hint: "did you mean minScore?" },
  { task: "detect", name: "score_threshold", hint: "did you mean minScore?" },
  { task: "detect", name: "confidence", hint: "did you mean minScore?" },
  { task: "detect", name: "iou_threshold", hint: "did you mean iouThreshold?" },
  { task: "detect", name: "overlap", hint: "did you mean iouThreshold?" },
  { task: "classify", name: "overlap", hint: `parameters here: ${paramsOf.classify.join(", ")}` },
] as const)("$task with the parameter $name: $hint", ({ task, name, hint }) => {
  expect(() => assertParams(new URLSearchParams({ [name]: "1" }), paramsOf[task])).toThrow(
    expect.objectContaining({
      reason: "invalid-request",
      message: `unknown query parameter "${name}"`,
      field: name,
      hint,
    }),
  );
});

test("a parameter that is given twice is rejected, whether or not its values differ", () => {
  for (const query of ["topK=1&topK=2", "topK=1&region=eastus&topK=1"]) {
    expect(() => assertParams(new URLSearchParams(query), paramsOf.classify)).toThrow(
      'query parameter "topK" is given 2 times',
    );
  }
});

test("every parameter that a task has is accepted", () => {
  const query = new URLSearchParams(paramsOf.detect.map((name) => [name, "1"]));

  expect(() => assertParams(query, paramsOf.detect)).not.toThrow();
});
