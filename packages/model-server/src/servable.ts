import {
  defaultSignatureName,
  type ScoreResponse,
  type Signature,
  type Tensor,
  type Weights,
} from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import type { PreprocessInWorker } from "@tensorgate/imaging";
import {
  dataTypes,
  type FamilyName,
  InputParsingError,
  type ReceivedPredictRequest,
  ServingError,
  servingErrors,
} from "@tensorgate/tf-serving";
import { feedsOf } from "./input-feeds.ts";
import type { Manifest } from "./manifest.ts";
import { type PreparedSignature, prepareSignature } from "./prepared-signature.ts";
import type { OnnxSession } from "./session/onnx-session.ts";
import { warmUpOnce } from "./warm-up.ts";

/** One loaded version of a model. */
export interface Servable {
  readonly name: string;
  readonly version: bigint;
  readonly weights: Weights;
  /** Its topology, where its manifest says so. */
  readonly family: FamilyName | undefined;
  readonly signatures: ReadonlyMap<string, Signature>;
  /** The signatures as metadata show them, with what no call needs; undefined if `signatures` are all. */
  readonly encodedSignatures: Uint8Array | undefined;
  /** What its folder says of it; undefined for a model that is code. */
  readonly manifest?: Omit<Manifest, "encodedSignatures">;
  /** Outputs of the usual signature that hold the scores of classes. */
  readonly classOutputs: readonly string[];
  /**
   * @param isAbandoned - whether the client has closed the request: it is not begun then
   * @throws ServingError with TensorFlow Serving's code and text
   */
  predict(
    request: ReceivedPredictRequest,
    isAbandoned: () => boolean,
  ): Promise<ScoreResponse & { readonly signatureName: string }>;
  /**
   * Runs it once on zeros.
   * @throws ServingError UNAVAILABLE if the engine died of it
   */
  warmUp(): Promise<void>;
  close(): Promise<void>;
}

export interface ServableDeps {
  readonly name: string;
  readonly version: bigint;
  readonly manifest: Manifest;
  readonly session: Pick<OnnxSession, "run" | "close">;
  /** Where pictures are decoded. */
  readonly preprocess: PreprocessInWorker;
}

/**
 * Creates a servable over a session.
 *
 * @throws ModelFolderError if the manifest writes values that are not of their type
 */
export function createServable(deps: ServableDeps): Servable {
  const { name, version, manifest, session, preprocess } = deps;
  const prepared = new Map(
    Object.entries(manifest.signatures).map(([key, each]) => [key, prepareSignature(key, each)]),
  );

  return {
    name,
    version,
    weights: manifest.weights,
    family: manifest.family,
    signatures: new Map([...prepared].map(([key, { signature }]) => [key, signature])),
    encodedSignatures: manifest.encodedSignatures,
    manifest: withoutEncoded(manifest),
    classOutputs: classOutputsOf(manifest),
    close: () => session.close(),
    warmUp: async () => {
      const [first] = prepared.values();
      const usual = prepared.get(defaultSignatureName) ?? first;
      if (usual) await warmUpOnce(usual, session);
    },
    predict: async (request, isAbandoned) => {
      const signatureName = request.modelSpec?.signatureName || defaultSignatureName;
      const signature = prepared.get(signatureName);
      if (!signature) throw servingErrors.unknownSignature(signatureName);
      // In TensorFlow Serving's own order: clients read the first text that applies.
      assertInputs(request.inputNames, signature);
      const inputs = readInputs(request, signature);
      const outputs = wantedOutputs(request.outputFilter, signature);
      assertDTypes(inputs, signature);

      const feeds = new Map<string, Tensor>(signature.constants);
      for (const input of signature.inputs.values()) {
        const tensor = inputs.get(input.alias);
        if (!tensor) continue;
        for (const [to, fed] of await feedsOf({ input, tensor }, preprocess)) feeds.set(to, fed);
      }
      if (isAbandoned())
        throw new ServingError(grpcCode.CANCELLED, "the client closed the request");
      const results = await session.run(feeds, [...new Set(outputs.values())]);
      const answered = [...outputs].flatMap(([alias, from]): (readonly [string, Tensor])[] => {
        const tensor = results.get(from);
        return tensor ? [[alias, tensor]] : [];
      });
      return { model: { name, version }, signatureName, outputs: new Map(answered) };
    },
  };
}

function withoutEncoded({
  encodedSignatures: _,
  ...manifest
}: Manifest): NonNullable<Servable["manifest"]> {
  return manifest;
}

function classOutputsOf({ signatures }: Manifest): readonly string[] {
  const usual = signatures[defaultSignatureName] ?? Object.values(signatures)[0];
  return Object.entries(usual?.outputs ?? {})
    .filter(([, { holds }]) => holds === "probabilities" || holds === "logits")
    .map(([alias]) => alias);
}

/** Inputs with a default may be left out. */
function assertInputs(sent: readonly string[], { inputs }: PreparedSignature): void {
  const expected = [...inputs.keys()];
  const defaults = [...inputs.values()].flatMap(({ alias, defaultValue }) =>
    defaultValue ? [alias] : [],
  );
  const isTooFew = sent.length < expected.length && defaults.length === 0;
  if (sent.length > expected.length || isTooFew) {
    throw servingErrors.inputSizeMismatch(sent, expected);
  }
  for (const { alias, graphName, defaultValue } of inputs.values()) {
    if (!sent.includes(alias) && !defaultValue) {
      throw servingErrors.missingInput({ alias, graphName }, sent, defaults);
    }
  }
  const used = sent.filter((alias) => inputs.has(alias));
  if (used.length < sent.length) throw servingErrors.unknownInput(used, sent);
}

function readInputs(
  request: ReceivedPredictRequest,
  { inputs }: PreparedSignature,
): ReadonlyMap<string, Tensor> {
  const read = new Map<string, Tensor>();
  for (const { alias, defaultValue } of inputs.values()) {
    const isSent = request.inputNames.includes(alias);
    read.set(alias, isSent || !defaultValue ? readInput(request, alias) : defaultValue);
  }
  return read;
}

/** Only the graph finds out, once it runs. */
function assertDTypes(read: ReadonlyMap<string, Tensor>, { inputs }: PreparedSignature): void {
  for (const { alias, dtype, examples } of inputs.values()) {
    // Signatures of old models declare another type for examples than the graph takes.
    const taken = examples ? "BYTES" : dtype;
    const sent = read.get(alias)?.dtype ?? taken;
    if (sent === taken) continue;
    throw servingErrors.wrongDType(dataTypes[taken].name, dataTypes[sent].name);
  }
}

function readInput(request: ReceivedPredictRequest, alias: string): Tensor {
  try {
    return request.input(alias);
  } catch (thrown) {
    throw thrown instanceof InputParsingError ? servingErrors.tensorParsing(alias) : thrown;
  }
}

/** @returns for each wanted output its name in the ONNX model */
function wantedOutputs(
  filter: readonly string[],
  { outputs }: PreparedSignature,
): ReadonlyMap<string, string> {
  if (filter.length === 0) return outputs;
  const wanted = new Map<string, string>();
  for (const alias of filter) {
    const tensor = outputs.get(alias);
    if (tensor === undefined) throw servingErrors.unknownOutput(alias, [...outputs.keys()]);
    if (wanted.has(alias)) throw servingErrors.duplicateOutput(alias);
    wanted.set(alias, tensor);
  }
  return wanted;
}
