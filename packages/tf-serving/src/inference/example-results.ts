import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type BytesTensor,
  type FixedSizeTensor,
  float32Values,
  type Tensor,
} from "@tensorgate/core";
import { DataType } from "@tensorgate/proto/tensorflow/framework";
import {
  type ClassificationResult,
  ClassificationResultSchema,
  type ClassificationsSchema,
} from "@tensorgate/proto/tensorflow_serving/classification";
import {
  type RegressionResult,
  RegressionResultSchema,
} from "@tensorgate/proto/tensorflow_serving/regression";
import { dataTypes } from "../data-type.ts";
import { invalidArgument } from "../serving-error.ts";

/**
 * Makes the result of a classifier of its outputs: `classes` with the labels, `scores`, or both, each of shape
 * [exampleCount, classCount].
 *
 * @throws ServingError INVALID_ARGUMENT with the original's text, if they are of another type or shape
 */
export function classificationResult(
  outputs: ReadonlyMap<string, Tensor>,
  exampleCount: number,
): ClassificationResult {
  const classes = outputs.get("classes");
  const scores = outputs.get("scores");
  if (classes) assertClasses(classes, exampleCount);
  if (scores) assertScores(scores, exampleCount);
  const classCount = (classes ?? scores)?.shape[1] ?? 0;
  if (classes && scores && classes.shape[1] !== scores.shape[1]) {
    throw invalidArgument(
      `Tensors class and score should match in dim_size(1). Got ${classes.shape[1]} vs. ${scores.shape[1]}`,
    );
  }
  const utf8 = new TextDecoder();
  const values = scores && float32Values(scores);
  const classAt = (at: number) => ({
    label: classes ? utf8.decode(classes.elements[at]) : "",
    score: values?.[at] ?? 0,
  });
  const classifications = Array.from(
    { length: exampleCount },
    (_, example): MessageInitShape<typeof ClassificationsSchema> => ({
      classes: Array.from({ length: classCount }, (_each, index) =>
        classAt(example * classCount + index),
      ),
    }),
  );
  return create(ClassificationResultSchema, { classifications });
}

function assertClasses(tensor: Tensor, exampleCount: number): asserts tensor is BytesTensor {
  assertMatrix(tensor);
  if (tensor.dtype !== "BYTES") {
    throw invalidArgument(`Expected classes Tensor of DT_STRING. Got: ${typeName(tensor)}`);
  }
  assertBatch("classes", tensor, exampleCount);
}

function assertScores(tensor: Tensor, exampleCount: number): asserts tensor is FixedSizeTensor {
  assertMatrix(tensor);
  if (tensor.dtype !== "FP32") {
    throw invalidArgument(`Expected scores Tensor of DT_FLOAT. Got: ${typeName(tensor)}`);
  }
  assertBatch("scores", tensor, exampleCount);
}

function assertMatrix({ shape }: Tensor): void {
  if (shape.length === 2) return;
  throw invalidArgument(`Expected Tensor shape: [batch_size num_classes] but got [${shape}]`);
}

function assertBatch(name: string, { shape }: Tensor, exampleCount: number): void {
  if (shape[0] === exampleCount) return;
  throw invalidArgument(`Expected ${name} output batch size of ${exampleCount}. Got: ${shape[0]}`);
}

/**
 * Makes the result of a regression of its output `outputs`, of shape [exampleCount] or [exampleCount, 1].
 *
 * @throws ServingError INVALID_ARGUMENT with the original's text, if it is of another type or shape
 */
export function regressionResult(
  outputs: ReadonlyMap<string, Tensor>,
  exampleCount: number,
): RegressionResult {
  const tensor = outputs.get("outputs");
  if (!tensor) throw invalidArgument("Could not find output tensor 'outputs'");
  const { shape } = tensor;
  if (!(shape.length === 1 || (shape.length === 2 && shape[1] === 1))) {
    throw invalidArgument(
      `Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got [${shape}]`,
    );
  }
  if (shape[0] !== exampleCount) {
    throw invalidArgument(
      `Input batch size did not match output batch size: ${exampleCount} vs. ${shape[0]}`,
    );
  }
  if (tensor.dtype !== "FP32") {
    // Two blanks, as the original has them here.
    throw invalidArgument(`Expected output Tensor of DT_FLOAT.  Got: ${typeName(tensor)}`);
  }
  const regressions = Array.from(float32Values(tensor), (value) => ({ value }));
  return create(RegressionResultSchema, { regressions });
}

/** Name of a tensor's type as protocol buffers have it, such as `DT_STRING`. */
function typeName({ dtype }: Tensor): string {
  return DataType[dataTypes[dtype].number] ?? dtype;
}
