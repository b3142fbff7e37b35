import type { WorkBudget } from "@tensorgate/core";
import { JsonDocument } from "../json/json-document.ts";
import { JsonParseError } from "../json/json-fault.ts";
import { jsonKind } from "../json/json-nodes.ts";
import { jsonText } from "../json/json-text.ts";
import { invalidArgument, type ServingError } from "../serving-error.ts";

/** A body of TensorFlow Serving's REST API, of which the signature is known: its model is looked up next. */
export interface JsonBody {
  readonly document: JsonDocument;
  /** Empty where the body names none. */
  readonly signatureName: string;
}

/**
 * Reads a body as far as its signature.
 *
 * @param budget - charged one element for each value
 * @throws ServingError in the original's words; TooLargeError where the budget ends
 */
export function readJsonBody(bytes: Uint8Array, budget?: WorkBudget): JsonBody {
  const document = parsed(bytes, budget);
  if (document.kind(0) !== jsonKind.object) throw formatError(document, "Is not object");
  const signature = document.member(0, "signature_name");
  if (signature === undefined) return { document, signatureName: "" };
  if (document.kind(signature) !== jsonKind.string) {
    throw formatError(
      document,
      "not formatted correctly. 'signature_name' key must be a string value.",
    );
  }
  return { document, signatureName: document.text(signature) };
}

function parsed(bytes: Uint8Array, budget: WorkBudget | undefined): JsonDocument {
  try {
    return new JsonDocument(bytes, budget);
  } catch (cause) {
    if (!(cause instanceof JsonParseError)) throw cause;
    throw invalidArgument(cause.message);
  }
}

/** An error about the body as a whole. */
export function formatError(document: JsonDocument, what: string): ServingError {
  return invalidArgument(`JSON Value: ${jsonText(document, 0)} ${what}`);
}
