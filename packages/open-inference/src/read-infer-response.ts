import {
  fieldTag,
  InvalidRequestError,
  MalformedMessageError,
  MessageReader,
  type Tensor,
  type WorkBudget,
} from "@tensorgate/core";
import { tensorFromBytes, tensorHead } from "./tensor-bytes.ts";
import { tensorFromContents } from "./tensor-contents.ts";
import { readTensorMessage } from "./tensor-message.ts";

/** A `ModelInferResponse` as the caller of a server reads it. */
export interface ReceivedInferResponse {
  readonly modelName: string;
  /** Empty if the server does not say which. */
  readonly modelVersion: string;
  /** In the order of the message. */
  readonly outputs: ReadonlyMap<string, Tensor>;
}

const responseTag = {
  modelName: fieldTag(1),
  modelVersion: fieldTag(2),
  outputs: fieldTag(5),
  rawContents: fieldTag(6),
} as const;

/**
 * Reads a response, with raw or typed contents. Raw values are views of the message.
 *
 * @param budget - charged one element for each field, value of contents and element of BYTES
 * @throws MalformedMessageError if it is no response, an output is there twice, or its bytes or values are not those of
 *   its shape; TooLargeError where the budget ends
 */
export function readInferResponse(message: Uint8Array, budget: WorkBudget): ReceivedInferResponse {
  let modelName = "";
  let modelVersion = "";
  const messages: Uint8Array[] = [];
  const raw: Uint8Array[] = [];
  const reader = new MessageReader(message, budget);
  while (reader.next()) {
    switch (reader.tag) {
      case responseTag.modelName:
        modelName = reader.name();
        break;
      case responseTag.modelVersion:
        modelVersion = reader.name();
        break;
      case responseTag.outputs:
        messages.push(reader.bytes());
        break;
      case responseTag.rawContents:
        raw.push(reader.bytes());
        break;
      default:
        reader.skip();
    }
  }
  if (raw.length > 0 && raw.length !== messages.length) {
    throw new MalformedMessageError(
      `${raw.length} raw_output_contents for ${messages.length} outputs`,
    );
  }
  const outputs = new Map<string, Tensor>();
  for (const [index, each] of messages.entries()) {
    const [name, tensor] = readOutput(each, { raw: raw[index], budget });
    if (outputs.has(name)) throw new MalformedMessageError(`output "${name}" is there twice`);
    outputs.set(name, tensor);
  }
  return { modelName, modelVersion, outputs };
}

function readOutput(
  message: Uint8Array,
  { raw, budget }: { readonly raw: Uint8Array | undefined; readonly budget: WorkBudget },
): readonly [name: string, tensor: Tensor] {
  const { contents = new Uint8Array(), ...told } = readTensorMessage(message, budget);
  try {
    const head = tensorHead(told, "output");
    // Some servers write empty contents beside raw bytes.
    const tensor = raw
      ? tensorFromBytes(head, raw, budget)
      : tensorFromContents(head, contents, budget);
    return [told.name, tensor];
  } catch (thrown) {
    // What a server writes is no fault of a request.
    if (!(thrown instanceof InvalidRequestError)) throw thrown;
    throw new MalformedMessageError(thrown.message, { cause: thrown });
  }
}
