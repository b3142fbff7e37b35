import type { AnsweringModel, EncodedCall, ModelSpec, ServingMethod } from "@tensorgate/core";
import { modelSpecWriter, readModelSpec } from "./predict.ts";
import { createTensorBudget } from "./tensor-values.ts";
import { fieldTag, joined, MessageReader, MessageWriter } from "./wire/message.ts";

/** Where a message has its model specs: in a field of its own, or in that of each of its parts. */
interface SpecPlace {
  readonly part?: number;
  readonly spec: number;
}

/** Each task of a `MultiInferenceRequest` has one. */
const requestPlaces: Readonly<Record<ServingMethod, SpecPlace>> = {
  Predict: { spec: 1 },
  Classify: { spec: 1 },
  Regress: { spec: 1 },
  MultiInference: { part: 1, spec: 1 },
};

const responsePlaces: Readonly<Record<ServingMethod, SpecPlace>> = {
  Predict: { spec: 2 },
  Classify: { spec: 2 },
  Regress: { spec: 2 },
  MultiInference: { part: 1, spec: 1 },
};

/**
 * The model that a call asks for; of several tasks the first one says it.
 *
 * @returns undefined where the message has none
 * @throws MalformedMessageError; TooLargeError if it has more elements than a `TensorBudget` has by default
 */
export function askedModelOf({ method, message }: EncodedCall): ModelSpec | undefined {
  return specAt(message, requestPlaces[method]);
}

/**
 * The model that answered a call.
 *
 * @param asked - stands in for what the response leaves out
 * @throws MalformedMessageError; TooLargeError
 */
export function answeringModelOf(
  method: ServingMethod,
  message: Uint8Array,
  asked: ModelSpec,
): AnsweringModel {
  const spec = specAt(message, responsePlaces[method]);
  return { name: spec?.name || asked.name, version: spec?.version ?? asked.version ?? 0n };
}

/**
 * Names the model of a call that does not. What a message has twice is merged, so the name is appended.
 *
 * @returns the call itself where it is not one of a single model
 */
export function withModelName(call: EncodedCall, name: string): EncodedCall {
  const place = requestPlaces[call.method];
  if (place.part !== undefined) return call;
  const spec = new MessageWriter().messageField(place.spec, modelSpecWriter({ name })).finish();
  return { ...call, message: joined([call.message, ...spec]) };
}

function specAt(message: Uint8Array, { part, spec }: SpecPlace): ModelSpec | undefined {
  const { elements } = createTensorBudget();
  const found: Uint8Array[] = [];
  const reader = new MessageReader(message, elements);
  while (reader.next()) {
    if (part !== undefined && reader.tag === fieldTag(part)) {
      return specAt(reader.bytes(), { spec });
    }
    if (part === undefined && reader.tag === fieldTag(spec)) found.push(reader.bytes());
    else reader.skip();
  }
  // A message that is there several times is one whose fields stand one after the other.
  return found.length === 0 ? undefined : readModelSpec(joined(found), elements);
}
