import { toBinary } from "@bufbuild/protobuf";
import { joined } from "@tensorgate/core";
import { type Example, ExampleSchema } from "@tensorgate/proto/tensorflow/example";
import type { Input } from "@tensorgate/proto/tensorflow_serving/input";

/** Serializes the examples of an input, each behind its context: of a feature that both have, the example's counts. */
export function serializedExamples({ kind }: Input): readonly Uint8Array[] {
  const bytesOf = (example: Example) => toBinary(ExampleSchema, example);
  const examples = kind.value?.examples.map(bytesOf) ?? [];
  if (kind.case !== "exampleListWithContext" || !kind.value.context) return examples;
  const context = bytesOf(kind.value.context);
  return examples.map((example) => joined([context, example]));
}
