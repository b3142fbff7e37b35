import { fieldTag, MessageReader, type WorkBudget, wireType } from "@tensorgate/core";

/** An `InferInputTensor` or `InferOutputTensor` as it came, nothing checked but that it can be read. */
export interface TensorMessage {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  /** Entries of the map of parameters. */
  readonly parameters: readonly Uint8Array[];
  /** Undefined if the field is not there. */
  readonly contents: Uint8Array | undefined;
}

const tensorTag = {
  name: fieldTag(1),
  datatype: fieldTag(2),
  packedShape: fieldTag(3),
  extent: fieldTag(3, wireType.varint),
  parameters: fieldTag(4),
  contents: fieldTag(5),
} as const;

/**
 * Reads a tensor of a message; its fields are the same in requests and responses.
 *
 * @param budget - charged one element for each field and extent
 * @throws MalformedMessageError; TooLargeError where the budget ends
 */
export function readTensorMessage(message: Uint8Array, budget: WorkBudget): TensorMessage {
  let name = "";
  let datatype = "";
  const shape: number[] = [];
  const parameters: Uint8Array[] = [];
  let contents: Uint8Array | undefined;
  const reader = new MessageReader(message, budget);
  while (reader.next()) {
    switch (reader.tag) {
      case tensorTag.name:
        name = reader.name();
        break;
      case tensorTag.datatype:
        datatype = reader.name();
        break;
      case tensorTag.extent:
        shape.push(Number(reader.int64()));
        break;
      case tensorTag.packedShape:
        readPackedShape(reader.bytes(), shape, budget);
        break;
      case tensorTag.parameters:
        parameters.push(reader.bytes());
        break;
      case tensorTag.contents:
        contents = reader.bytes();
        break;
      default:
        reader.skip();
    }
  }
  return { name, datatype, shape, parameters, contents };
}

/** @throws MalformedMessageError if the message ends within an extent */
function readPackedShape(packed: Uint8Array, shape: number[], budget: WorkBudget): void {
  const reader = new MessageReader(packed);
  while (!reader.isAtEnd) {
    budget.spend();
    shape.push(Number(reader.int64()));
  }
}
