import { MessageWriter, type Parameters, type ParameterValue } from "@tensorgate/core";

/** Field of the parameters in a `ModelInferRequest`, and in a `tensorgate.v1.PredictRequest`, which has the same form. */
const parametersField = 4;

/**
 * Writes the parameters of a request, with their types. Those of the fields 4 and 5 (doubles, and integers beyond those
 * of int64) are known to the specification and Triton; other servers see parameters without a value.
 */
export function writeParameters(writer: MessageWriter, parameters: Parameters | undefined): void {
  for (const [name, value] of parameters ?? []) {
    const entry = new MessageWriter().stringField(1, name).messageField(2, valueWriter(value));
    writer.messageField(parametersField, entry);
  }
}

const maxInt64 = 2n ** 63n - 1n;

function valueWriter(value: ParameterValue): MessageWriter {
  const writer = new MessageWriter();
  switch (typeof value) {
    case "boolean":
      return writer.varintField(1, value ? 1 : 0);
    case "bigint":
      return writer.varintField(value > maxInt64 ? 5 : 2, value);
    case "string":
      return writer.stringField(3, value);
    case "number":
      return writer.doubleField(4, value);
  }
}
