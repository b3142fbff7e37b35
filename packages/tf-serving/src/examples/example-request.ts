import type { ModelSpec, WorkBudget } from "@tensorgate/core";
import { fieldTag, joined, MessageReader } from "@tensorgate/core";
import { readModelSpec } from "../predict.ts";
import { createTensorBudget } from "../tensor-proto.ts";
import { fieldsOf } from "../wire/fields.ts";

/** A `ClassificationRequest` or a `RegressionRequest` as a server reads it. */
export interface ExampleRequest {
  /** Absent if the message has none. */
  readonly modelSpec: ModelSpec | undefined;
  /** Each one a serialized `tensorflow.Example`. Where the request has a context, that stands before the example. */
  readonly examples: readonly Uint8Array[];
}

/** What one task of a `MultiInferenceRequest` asks for. */
export interface InferenceTask {
  readonly modelSpec: ModelSpec;
  /** Such as `tensorflow/serving/regress`. */
  readonly methodName: string;
}

/** A `MultiInferenceRequest` as a server reads it. */
export interface MultiInferenceTasks {
  readonly tasks: readonly InferenceTask[];
  readonly examples: readonly Uint8Array[];
}

/**
 * Reads a `ClassificationRequest` or a `RegressionRequest`, which have the same fields. Its examples are not decoded: a
 * model gets them as they came.
 *
 * @throws MalformedMessageError; TooLargeError if it has more elements than a `TensorBudget` has by default
 */
export function readExampleRequest(message: Uint8Array): ExampleRequest {
  const { elements } = createTensorBudget();
  const spec = fieldsOf(message, 1, elements);
  return {
    modelSpec: spec.length === 0 ? undefined : readModelSpec(joined(spec), elements),
    examples: readInput(joined(fieldsOf(message, 2, elements)), elements),
  };
}

/** Reads a `MultiInferenceRequest`. @throws MalformedMessageError, TooLargeError */
export function readMultiInferenceRequest(message: Uint8Array): MultiInferenceTasks {
  const { elements } = createTensorBudget();
  const tasks = fieldsOf(message, 1, elements).map((task) => ({
    modelSpec: readModelSpec(joined(fieldsOf(task, 1, elements)), elements),
    methodName: new TextDecoder().decode(fieldsOf(task, 2, elements).at(-1)),
  }));
  return { tasks, examples: readInput(joined(fieldsOf(message, 2, elements)), elements) };
}

const inputTag = { exampleList: fieldTag(1), exampleListWithContext: fieldTag(2) } as const;

/** Reads a `tensorflow.serving.Input`: of its two kinds of list the last one counts. */
function readInput(message: Uint8Array, elements: WorkBudget): readonly Uint8Array[] {
  let kind = 0;
  let lists: Uint8Array[] = [];
  const reader = new MessageReader(message, elements);
  while (reader.next()) {
    const { tag } = reader;
    const list = reader.bytes();
    if (tag !== inputTag.exampleList && tag !== inputTag.exampleListWithContext) continue;
    if (tag !== kind) lists = [];
    kind = tag;
    lists.push(list);
  }
  const list = joined(lists);
  const examples = fieldsOf(list, 1, elements);
  if (kind !== inputTag.exampleListWithContext) return examples;
  const context = fieldsOf(list, 2, elements);
  return examples.map((example) => joined([...context, example]));
}
