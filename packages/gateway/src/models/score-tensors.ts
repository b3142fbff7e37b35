import {
  type CallContext,
  defaultSignatureName,
  InvalidRequestError,
  type ModelSpec,
  type Picture,
  type PictureRequest,
  type Score,
  type ScoreRequest,
  type ScoreResponse,
  type ScoringError,
  type Tensor,
  TooLargeError,
  UnsupportedMediaError,
} from "@tensorgate/core";
import { underServingNames } from "@tensorgate/tf-serving";
import { stackedRows } from "./picture-batch.ts";
import type { Release } from "./release.ts";
import {
  createPictureScorer,
  type PictureScoring,
  type PictureTaskDeps,
  type ScorePictures,
} from "./score-pictures.ts";
import { createReleaseScorer } from "./snapshot.ts";

/**
 * Creates the scorer of tensors of a release. Where it takes pixels, its input also takes encoded pictures (BYTES, a scalar or
 * `[n]`): they are prepared, and sent in the batches, as those of the other tasks are. An encoded call is passed on as
 * it is: a protocol leaves `encoded` out if an input is to be prepared.
 *
 * @throws InvalidRequestError, UnsupportedMediaError or TooLargeError for a picture that cannot be prepared; a call of
 *   several pictures has one answer, so one of them fails all
 */
export function createTensorScorer(model: Release, deps: PictureTaskDeps): Score {
  const scoreTensors = createReleaseScorer(model, deps.score);
  // Only a model that takes pixels takes pictures in place of them.
  if (!model.picture?.preprocessing) return scoreTensors;
  const scorePictures = createPictureScorer(model, deps, scoringOf);
  return async (request, call) => {
    const sent = request.encoded ? undefined : sentPictures(request, model);
    if (!sent) return scoreTensors(request, call);
    return scoreSentPictures(request, call, { ...sent, model, scorePictures });
  };
}

type Outputs = ReadonlyMap<string, Tensor>;

interface SentRequest extends PictureRequest {
  readonly scoring: Pick<PictureScoring<Outputs>, "filter" | "otherInputs" | "parameters">;
}

function scoringOf({ scoring }: SentRequest): PictureScoring<Outputs> {
  return { ...scoring, verify: () => {}, read: ({ outputs }) => outputs };
}

async function scoreSentPictures(
  request: ScoreRequest,
  call: CallContext,
  {
    name,
    pictures,
    otherInputs,
    model,
    scorePictures,
  }: SentPictures & {
    readonly model: Release;
    readonly scorePictures: ScorePictures<SentRequest, Outputs>;
  },
): Promise<ScoreResponse> {
  if (pictures.length > 1 && otherInputs.size > 0) {
    throw new InvalidRequestError(
      `input "${name}" has ${pictures.length} pictures beside other inputs; send them one by one`,
      { field: name },
    );
  }
  const scoring = {
    filter: request.hasWireNames
      ? request.outputFilter.map((wire) => canonicalOutput(model, wire))
      : request.outputFilter,
    otherInputs,
    ...(request.parameters && { parameters: request.parameters }),
  };
  const response = await scorePictures({ modelSpec: request.modelSpec, pictures, scoring }, call);
  const rows = response.results.map((result, index) => {
    if (result.ok) return result.value;
    throw pictures.length === 1 ? result.error : located(result.error, { name, index });
  });
  const scored = {
    // There is one if every picture was scored.
    model: response.model ?? { name: model.name, version: 0n },
    ...(response.region !== undefined && { region: response.region }),
    outputs: stackedRows(rows),
  };
  return request.hasWireNames ? underServingNames(scored, model) : scored;
}

/**
 * Names of the input at which a model that takes pixels also takes encoded pictures: its name here, and that at a stock
 * server. None for other models, and for a signature that the configuration does not describe.
 *
 * @param signatureName - as a call of TensorFlow Serving's API names it; empty for its default
 */
export function pictureInputNames(
  { picture, wireNames, signatureName: described = defaultSignatureName }: Release,
  { signatureName }: ModelSpec,
): ReadonlySet<string> {
  const asked = signatureName || defaultSignatureName;
  if (!picture?.preprocessing || asked !== described) return noNames;
  const { tensor } = picture;
  return new Set([tensor, wireNames["tensorflow-serving"].inputs.get(tensor) ?? tensor]);
}

const noNames: ReadonlySet<string> = new Set();

interface SentPictures {
  /** Name of the input as the caller has it. */
  readonly name: string;
  readonly pictures: readonly Picture[];
  readonly otherInputs: ReadonlyMap<string, Tensor>;
}

function sentPictures(
  { modelSpec, inputs, hasWireNames }: ScoreRequest,
  model: Release,
): SentPictures | undefined {
  const own = modelSpec.signatureName || model.signatureName || "";
  const asked = hasWireNames ? modelSpec : { ...modelSpec, signatureName: own };
  for (const name of pictureInputNames(model, asked)) {
    const tensor = inputs.get(name);
    if (tensor?.dtype !== "BYTES") continue;
    if (tensor.shape.length > 1) {
      throw new InvalidRequestError(
        `input "${name}" has encoded pictures of shape [${tensor.shape}]; expected [] or [n]`,
        { field: name },
      );
    }
    return {
      name,
      pictures: tensor.elements.map((bytes) => ({ bytes })),
      otherInputs: new Map([...inputs].filter(([other]) => other !== name)),
    };
  }
  return undefined;
}

function canonicalOutput({ wireNames }: Release, wire: string): string {
  return wireNames["tensorflow-serving"].canonicalOutputs.get(wire) ?? wire;
}

/** Says of an error of a picture which one of the input it is; any other error is not about the picture. */
function located(
  error: ScoringError,
  { name, index }: { readonly name: string; readonly index: number },
): ScoringError {
  const message = `picture ${index} of input "${name}": ${error.message}`;
  const { hint, field } = error;
  const details = { ...(hint && { hint }), ...(field && { field }), cause: error };
  switch (error.reason) {
    case "unsupported-media":
      return new UnsupportedMediaError(message, details);
    case "too-large":
      return new TooLargeError(message, details);
    case "invalid-request":
      return new InvalidRequestError(message, details);
    default:
      return error;
  }
}
