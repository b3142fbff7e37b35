import {
  defaultSignature,
  InvalidRequestError,
  listedNames,
  type ModelMetadata,
  type Score,
  type ScoreResponse,
  type Signature,
  type Tensor,
} from "@tensorgate/core";
import { outputNamed } from "./output-values.ts";
import type { Release } from "./release.ts";

export interface ContainerScorerDeps {
  /** Scores tensors under the names that they have here. */
  readonly score: Score;
  /** Returns the signatures that replicas of the model reported, if any. */
  readonly signatures: () => ModelMetadata["signatures"] | undefined;
}

/**
 * Creates a scorer that answers as an FPGA container does, whatever the replicas are: it takes the names of tensors in
 * the graph (`Placeholder:0`), or `images`, and returns those of the graph. Clients of containers name no output, and
 * take the only one of the response: that of a classifier is its scores.
 *
 * A request for a model without a release is passed on as it came if its names are those of the replicas, or if no
 * replica reported names.
 *
 * @throws InvalidRequestError for an unknown input, with those that there are
 */
export function createContainerScorer(
  release: Release,
  { score, signatures }: ContainerScorerDeps,
): Score {
  return async (request, call) => {
    const reported = signatures();
    const signature = reported && defaultSignature({ signatures: reported }, release.signatureName);
    const nameOf = inputNames(release, signature);
    const sent = [...request.inputs.keys()];
    const isKnown = release.picture !== undefined || signature !== undefined;
    const isByGraph = sent.some((name) => nameOf(name) !== name);
    if (!isKnown || !(release.picture || isByGraph)) return score(request, call);

    const scores = release.tasks[0] === "classify" ? release.classScores : undefined;
    const isListed = scores && signature?.outputs.has(stockName(release, scores.tensor));
    const response = await score(
      {
        modelSpec: request.modelSpec,
        inputs: renamedInputs(request.inputs, { nameOf, release, signature }),
        outputFilter: scores && isListed ? [scores.tensor] : (scores?.filter ?? []),
      },
      call,
    );
    const outputs = scores ? onlyOutput(response, scores.tensor) : response.outputs;
    const graphName = graphNames(release, { signature, response, isByGraph });
    return {
      ...response,
      outputs: new Map([...outputs].map(([name, tensor]) => [graphName(name), tensor])),
    };
  };
}

/** What samples for containers call the picture, whatever its name in the graph of the model. */
const isUsualPicture = /^(Placeholder(_\d+)?:0|images)$/;

/** Returns our name of an input, by any name that a client may use; undefined for an unknown one. */
function inputNames(
  { picture, wireNames }: Release,
  signature: Signature | undefined,
): (name: string) => string | undefined {
  const ofPicture = new Set(picture && [picture.tensor]);
  for (const { inputs } of Object.values(wireNames)) {
    for (const wire of inputs.values()) ofPicture.add(wire);
  }
  const aliases = signature ? [...signature.inputs.keys()] : [];
  const only = picture?.tensor ?? (aliases.length === 1 ? aliases[0] : undefined);
  return (name) => {
    if (picture && ofPicture.has(name)) return picture.tensor;
    for (const [alias, { graphName }] of signature?.inputs ?? []) {
      if (alias !== name && graphName !== name) continue;
      return picture && ofPicture.has(alias) ? picture.tensor : alias;
    }
    return isUsualPicture.test(name) ? only : undefined;
  };
}

interface InputNaming {
  readonly nameOf: (name: string) => string | undefined;
  readonly release: Release;
  readonly signature: Signature | undefined;
}

/** Returns inputs under our names. @throws InvalidRequestError if one is unknown, or two are the same */
function renamedInputs(
  inputs: ReadonlyMap<string, Tensor>,
  { nameOf, release, signature }: InputNaming,
): ReadonlyMap<string, Tensor> {
  const renamed = new Map<string, Tensor>();
  for (const sent of inputs.keys()) {
    const name = nameOf(sent);
    if (name === undefined || renamed.has(name)) {
      const what = name === undefined ? "unknown" : "duplicate";
      throw new InvalidRequestError(
        `${what} input "${sent}"; the model takes ${expectedInputs(release, signature)}`,
        { field: sent },
      );
    }
    const tensor = inputs.get(sent);
    if (tensor) renamed.set(name, tensor);
  }
  return renamed;
}

function expectedInputs({ picture, wireNames }: Release, signature: Signature | undefined): string {
  const infos = [...(signature?.inputs ?? [])];
  const names = picture
    ? [wireNames["azure-fpga"].inputs.get(picture.tensor) ?? picture.tensor, picture.tensor]
    : infos.flatMap(([alias, { graphName }]) => (graphName ? [graphName, alias] : [alias]));
  return listedNames([...new Set(names)].map((name) => `"${name}"`));
}

/** Returns the only output that there is, or that of this name, under this name. */
function onlyOutput({ outputs }: ScoreResponse, name: string): ReadonlyMap<string, Tensor> {
  const [only] = outputs.values();
  return new Map([[name, outputs.size === 1 && only ? only : outputNamed(name, outputs)]]);
}

/** Returns the name of an output at a stock server. */
function stockName({ wireNames }: Release, name: string): string {
  return wireNames["tensorflow-serving"].outputs.get(name) ?? name;
}

interface GraphNaming {
  readonly signature: Signature | undefined;
  readonly response: ScoreResponse;
  /** Whether the client uses names of the graph. */
  readonly isByGraph: boolean;
}

/**
 * Returns a function that gives the name of an output in the graph: as a container returned it, as a replica with the
 * same graph reported it, or as the configuration or the family has it. An output without such a name gets the
 * reported one if the client uses names of the graph.
 */
function graphNames(
  release: Release,
  { signature, response, isByGraph }: GraphNaming,
): (name: string) => string {
  const { outputs, patterns } = release.wireNames["azure-fpga"];
  return (name) => {
    const returned = response.matchedNames?.get(name);
    if (returned !== undefined) return returned;
    const reported = signature?.outputs.get(stockName(release, name))?.graphName || undefined;
    const configured = outputs.get(name) ?? name;
    if (configured === name) return (isByGraph ? reported : undefined) ?? name;
    const isSameGraph = patterns.some(
      (each) => each.name === name && reported !== undefined && each.pattern.test(reported),
    );
    return isSameGraph && reported !== undefined ? reported : configured;
  };
}
