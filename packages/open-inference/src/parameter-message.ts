import {
  fieldTag,
  InvalidRequestError,
  MessageReader,
  MessageWriter,
  type Parameters,
  type ParameterValue,
  type WorkBudget,
  wireType,
} from "@tensorgate/core";

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

/** Reads an entry of a map of parameters; one without a value has none here either. */
export function readParameter(
  entry: Uint8Array,
  parameters: Map<string, ParameterValue>,
  budget: WorkBudget,
): void {
  let name = "";
  let value: ParameterValue | undefined;
  const reader = new MessageReader(entry, budget);
  while (reader.next()) {
    if (reader.tag === fieldTag(1)) name = reader.name();
    else if (reader.tag === fieldTag(2)) value = readParameterValue(reader.bytes(), budget);
    else reader.skip();
  }
  if (value !== undefined) parameters.set(name, value);
}

/** Tags of `InferParameter`, whose fields are the choices of one value. */
const choiceTag = {
  bool: fieldTag(1, wireType.varint),
  int64: fieldTag(2, wireType.varint),
  text: fieldTag(3),
  double: fieldTag(4, wireType.fixed64),
  uint64: fieldTag(5, wireType.varint),
} as const;

function readParameterValue(message: Uint8Array, budget: WorkBudget): ParameterValue | undefined {
  let value: ParameterValue | undefined;
  const reader = new MessageReader(message, budget);
  while (reader.next()) {
    switch (reader.tag) {
      case choiceTag.bool:
        value = reader.int64() !== 0n;
        break;
      case choiceTag.int64:
        value = reader.int64();
        break;
      case choiceTag.text:
        value = parameterText(reader.bytes());
        break;
      case choiceTag.double: {
        const bytes = reader.bytes();
        value = new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0, true);
        break;
      }
      case choiceTag.uint64:
        value = BigInt.asUintN(64, reader.int64());
        break;
      default:
        reader.skip();
    }
  }
  return value;
}

const utf8 = new TextDecoder();

/** Decoding a longer one would keep the process. */
function parameterText(bytes: Uint8Array): string {
  if (bytes.byteLength <= maxParameterBytes) return utf8.decode(bytes);
  throw new InvalidRequestError(
    `a parameter has ${bytes.byteLength} bytes of text; at most ${maxParameterBytes} are allowed`,
    { field: "parameters", hint: "send it as an input of the datatype BYTES" },
  );
}

const maxParameterBytes = 65_536;
