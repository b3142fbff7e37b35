import {
  defaultSignatureName,
  elementCount,
  FailedPreconditionError,
  float32Tensor,
  floatValues,
  InvalidRequestError,
  isFloat,
  listedNames,
  NotSupportedError,
  type ResolvedModel,
  type ResolvedRequest,
  type ScoreResolved,
  type ScoreResponse,
  type Tensor,
  UpstreamFailedError,
} from "@tensorgate/core";
import { headLogits } from "@tensorgate/teaching";
import { softmax } from "../output-values.ts";
import type { Release, ReleaseHead } from "../release.ts";
import type { AssertBackbone } from "./assert-backbone.ts";
import { headOutput } from "./head-release.ts";

/** Whether a resolved model is a head. */
export function headOf(model: ResolvedModel): ReleaseHead | undefined {
  return (model as Partial<Release>).head;
}

export interface HeadScorerDeps {
  readonly score: ScoreResolved;
  readonly assertBackbone: AssertBackbone;
}

/**
 * Answers requests for heads: asks the backbone for features, and makes class probabilities of them. Nothing is loaded at
 * the replicas. A reply is given only once the version that gave the features is known to be the backbone that the head
 * was taught on. Other requests are passed on.
 *
 * @throws InvalidRequestError for another output or signature than the head's; FailedPreconditionError for another
 *   backbone; NotSupportedError for a method other than Predict
 */
export function createHeadScorer({ score, assertBackbone }: HeadScorerDeps): ScoreResolved {
  return async (request, call) => {
    const own = headOf(request.model);
    if (!own) return score(request, call);
    assertOfHead(request);
    const { backbone, version } = own;
    const name = featuresName(own, request);
    const reader = probabilitiesReader(own, name);
    const { encoded: _encoded, verify, ...rest } = request;
    const response = await score(
      {
        ...rest,
        modelSpec: { name: backbone.name },
        model: backbone,
        outputFilter: backbone.features?.filter.length ? [name] : [],
        verify: (outputs) => {
          const tensor = outputs.get(backbone.features?.tensor ?? "");
          // It is not the replica's fault that its model has no features.
          if (tensor) verify?.(new Map([[headOutput, reader(tensor)]]));
        },
      },
      call,
    );
    await assertBackbone(own, response.model.version, call);
    return answered(response, { own, name, version, reader, modelName: request.model.name });
  };
}

interface Answering {
  readonly own: ReleaseHead;
  readonly name: string;
  readonly version: bigint;
  readonly reader: (features: Tensor) => Tensor;
  readonly modelName: string;
}

function answered(
  { outputs, region }: ScoreResponse,
  { own, name, version, reader, modelName }: Answering,
): ScoreResponse {
  const features = outputs.get(name);
  if (!features) {
    throw new FailedPreconditionError(
      `model "${own.backbone.name}" returns no output "${name}" with features; its outputs: ${listedNames(outputs.keys())}`,
    );
  }
  return {
    model: { name: modelName, version },
    outputs: new Map([[headOutput, reader(features)]]),
    ...(region !== undefined && { region }),
  };
}

/** A head has one signature, one output, and one method of TensorFlow Serving's API. */
function assertOfHead({ modelSpec, model, outputFilter, encoded }: ResolvedRequest): void {
  const { signatureName = "" } = modelSpec;
  if (encoded && encoded.method !== "Predict") {
    throw new NotSupportedError(`model "${model.name}" is a head, which has no ${encoded.method}`, {
      hint: "use Predict, or POST /v1/classify",
    });
  }
  if (signatureName !== "" && signatureName !== defaultSignatureName) {
    throw new InvalidRequestError(
      `model "${model.name}" has no signature "${signatureName}"; its only one is ${defaultSignatureName}`,
    );
  }
  const unknown = outputFilter.find((name) => name !== headOutput);
  if (unknown === undefined) return;
  throw new InvalidRequestError(
    `model "${model.name}" has no output "${unknown}"; its only one is ${headOutput}`,
  );
}

/** Name of the features in requests and replies: ours, or that at a replica. */
function featuresName({ backbone }: ReleaseHead, { hasWireNames }: ResolvedRequest): string {
  const name = backbone.features?.tensor ?? "";
  if (!hasWireNames) return name;
  return backbone.wireNames["tensorflow-serving"].outputs.get(name) ?? name;
}

/** Returns a function from features to probabilities, which computes those of one reply once. */
function probabilitiesReader({ head, backbone }: ReleaseHead, name: string) {
  let known: { readonly features: Tensor; readonly probabilities: Tensor } | undefined;
  return (features: Tensor): Tensor => {
    if (known?.features === features) return known.probabilities;
    const { dtype, shape } = features;
    const count = elementCount(shape);
    const rowCount = count / head.featureCount;
    const isRows = rowCount === 1 || (Number.isInteger(rowCount) && shape[0] === rowCount);
    if (!isFloat(dtype) || !isRows || rowCount < 1) {
      throw new UpstreamFailedError(
        `the features "${name}" of model "${backbone.name}" are ${dtype} of shape [${shape}]; the head reads ${head.featureCount} for each picture`,
      );
    }
    const values = floatValues(features);
    if (!values.every(Number.isFinite)) {
      throw new UpstreamFailedError(`features of model "${backbone.name}" are not finite`);
    }
    const scores = new Float32Array(rowCount * head.classes.length);
    for (let row = 0; row < rowCount; row += 1) {
      const own = values.subarray(row * head.featureCount, (row + 1) * head.featureCount);
      scores.set(softmax(headLogits(head, own)), row * head.classes.length);
    }
    const probabilities = float32Tensor([rowCount, head.classes.length], scores);
    known = { features, probabilities };
    return probabilities;
  };
}
