import type { AnsweringModel, EncodedCall, ModelSpec, ServingMethod } from "@tensorgate/core";
import { fieldTag, joined, MessageReader, MessageWriter } from "@tensorgate/core";
import { modelSpecWriter, readModelSpec } from "./predict.ts";
import { servingErrors } from "./serving-error.ts";
import { createTensorBudget } from "./tensor-proto.ts";
import { fieldsOf } from "./wire/fields.ts";

/** Where a message has its model specs: in its own field, or in that of each of its parts. */
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
 * The model that a call asks for.
 *
 * @returns undefined where the message has none; an empty one for a `MultiInferenceRequest` without tasks
 * @throws MalformedMessageError; TooLargeError if it has more elements than a `TensorBudget` has by default; ServingError
 *   if the tasks of a `MultiInferenceRequest` name different models: access is granted to one
 */
export function askedModelOf({ method, message }: EncodedCall): ModelSpec | undefined {
  const place = requestPlaces[method];
  const [first = place.part === undefined ? undefined : emptySpec, ...others] = specsOf(
    message,
    place,
  );
  if (first?.name === "") {
    // The model is looked up by the first task; it may still be named in another way, but not if the others name theirs.
    if (others.some(({ name }) => name !== "")) throw servingErrors.missingModelName();
    return first;
  }
  if (others.some(({ name }) => name === "")) throw servingErrors.emptyModelName();
  if (others.some(({ name }) => name !== first?.name)) throw servingErrors.differentModels();
  return first;
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
  const [spec] = specsOf(message, responsePlaces[method]);
  return { name: spec?.name || asked.name, version: spec?.version ?? asked.version ?? 0n };
}

/**
 * Returns a call with another model spec; its other fields stay as they came.
 *
 * @returns the call itself where it is not one of a single model
 */
export function withModelSpec(call: EncodedCall, modelSpec: ModelSpec): EncodedCall {
  const place = requestPlaces[call.method];
  if (place.part !== undefined) return call;
  const { message } = call;
  const kept: Uint8Array[] = [];
  const reader = new MessageReader(message, createTensorBudget().elements);
  for (let start = 0; reader.next(); start = reader.position) {
    reader.skip();
    if (reader.tag !== fieldTag(place.spec)) kept.push(message.subarray(start, reader.position));
  }
  const spec = new MessageWriter().messageField(place.spec, modelSpecWriter(modelSpec)).finish();
  return { ...call, message: joined([...spec, ...kept]) };
}

const emptySpec: ModelSpec = { name: "" };

/** The model spec of a message, or that of each of its parts; a part without one has an empty one. */
function specsOf(message: Uint8Array, { part, spec }: SpecPlace): readonly ModelSpec[] {
  const { elements } = createTensorBudget();
  if (part === undefined) {
    const fields = fieldsOf(message, spec, elements);
    // A message that is there several times is one whose fields stand one after the other.
    return fields.length === 0 ? [] : [readModelSpec(joined(fields), elements)];
  }
  return fieldsOf(message, part, elements).map((each) => {
    const fields = fieldsOf(each, spec, elements);
    return fields.length === 0 ? emptySpec : readModelSpec(joined(fields), elements);
  });
}
