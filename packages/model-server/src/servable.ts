import {
  type BytesTensor,
  defaultSignatureName,
  type FixedSizeTensor,
  fixedSizeTensor,
  type ModelSpec,
  type ScoreResponse,
  ScoringError,
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
import type { Manifest, ManifestInput, ManifestSignature } from "./manifest.ts";
import type { OnnxSession } from "./session/onnx-session.ts";
import { warmUpOnce } from "./warm-up.ts";

/** Most pixels of a picture that is decoded. */
const maxPixels = 25_000_000;

/** One loaded version of a model. */
export interface Servable {
  readonly name: string;
  readonly version: bigint;
  readonly weights: Weights;
  /** Its topology, where its manifest says so. */
  readonly family: FamilyName | undefined;
  readonly signatures: ReadonlyMap<string, Signature>;
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

/** Creates a servable over a session. */
export function createServable(deps: ServableDeps): Servable {
  const { name, version, manifest, session, preprocess } = deps;
  const signatures = new Map(
    Object.entries(manifest.signatures).map(([key, each]) => [key, signatureFrom(each)]),
  );

  return {
    name,
    version,
    weights: manifest.weights,
    family: manifest.family,
    signatures,
    close: () => session.close(),
    warmUp: async () => {
      const { signatures: all } = manifest;
      const usual = all[defaultSignatureName] ?? Object.values(all)[0];
      if (usual) await warmUpOnce(usual, session);
    },
    predict: async (request, isAbandoned) => {
      const signatureName = request.modelSpec?.signatureName || defaultSignatureName;
      const signature = manifest.signatures[signatureName];
      if (!signature) throw servingErrors.unknownSignature(signatureName);
      // In TensorFlow Serving's own order: clients read the first text that applies.
      assertInputs(request.inputNames, Object.keys(signature.inputs));
      const inputs = readInputs(request, signature);
      const wanted = wantedOutputs(request.outputFilter, signature);

      const feeds = new Map<string, Tensor>();
      for (const [alias, input] of Object.entries(signature.inputs)) {
        const tensor = inputs.get(alias);
        if (!tensor) continue;
        const { to, value } = await feedFor({ alias, input, tensor, preprocess });
        feeds.set(to, value);
      }
      if (isAbandoned())
        throw new ServingError(grpcCode.CANCELLED, "the client closed the request");
      const tensorOf = (alias: string) => signature.outputs[alias]?.tensor ?? alias;
      const results = await session.run(feeds, wanted.map(tensorOf));
      const outputs = wanted.flatMap((alias): readonly (readonly [string, Tensor])[] => {
        const tensor = results.get(tensorOf(alias));
        return tensor ? [[alias, tensor]] : [];
      });
      return { model: { name, version }, signatureName, outputs: new Map(outputs) };
    },
  };
}

function signatureFrom({ inputs, outputs }: ManifestSignature): Signature {
  const infos = (values: ManifestSignature["inputs"] | ManifestSignature["outputs"]) =>
    new Map(Object.entries(values).map(([key, { dtype, shape }]) => [key, { dtype, shape }]));
  return { inputs: infos(inputs), outputs: infos(outputs) };
}

function assertInputs(sent: readonly string[], expected: readonly string[]): void {
  if (sent.length !== expected.length) throw servingErrors.inputSizeMismatch(sent, expected);
  for (const alias of expected) {
    if (!sent.includes(alias)) throw servingErrors.missingInput(alias, `${alias}:0`, sent);
  }
}

function readInputs(
  request: ReceivedPredictRequest,
  { inputs }: ManifestSignature,
): ReadonlyMap<string, Tensor> {
  const read = new Map<string, Tensor>();
  for (const [alias, { dtype }] of Object.entries(inputs)) {
    const tensor = readInput(request, alias);
    if (tensor.dtype !== dtype) {
      throw servingErrors.wrongDType(dataTypes[dtype].name, dataTypes[tensor.dtype].name);
    }
    read.set(alias, tensor);
  }
  return read;
}

function readInput(request: ReceivedPredictRequest, alias: string): Tensor {
  try {
    return request.input(alias);
  } catch (thrown) {
    throw thrown instanceof InputParsingError ? servingErrors.tensorParsing(alias) : thrown;
  }
}

function wantedOutputs(
  filter: readonly string[],
  { outputs }: ManifestSignature,
): readonly string[] {
  const all = Object.keys(outputs);
  filter.forEach((alias, index) => {
    if (!all.includes(alias)) throw servingErrors.unknownOutput(alias, all);
    if (filter.indexOf(alias) !== index) throw servingErrors.duplicateOutput(alias);
  });
  return filter.length === 0 ? all : filter;
}

interface Feed {
  /** Name in the ONNX model. */
  readonly to: string;
  readonly value: Tensor;
}

interface FeedOptions {
  readonly alias: string;
  readonly input: ManifestInput;
  readonly tensor: Tensor;
  readonly preprocess: PreprocessInWorker;
}

async function feedFor({ alias, input, tensor, preprocess }: FeedOptions): Promise<Feed> {
  if (input.picture) {
    if (tensor.dtype !== "BYTES") throw servingErrors.wrongDType("string", tensor.dtype);
    const { preprocessing, tensor: to } = input.picture;
    const decode = (bytes: Uint8Array) =>
      preprocess(bytes, preprocessing, { maxPixels }, { signal: neverAborted });
    return { to, value: await decodedPictures(alias, tensor, decode) };
  }
  return { to: input.tensor ?? alias, value: tensor };
}

/** Work that has begun is finished: the engine cannot be aborted either. */
const neverAborted = new AbortController().signal;

/** @returns what the model takes of N encoded pictures, as one tensor */
async function decodedPictures(
  alias: string,
  { elements }: BytesTensor,
  decode: (bytes: Uint8Array) => Promise<FixedSizeTensor>,
): Promise<FixedSizeTensor> {
  if (elements.length === 0) {
    throw new ServingError(grpcCode.INVALID_ARGUMENT, `input ${alias} contains no picture`);
  }
  const tensors: FixedSizeTensor[] = [];
  for (const [index, bytes] of elements.entries()) {
    try {
      tensors.push(await decode(bytes));
    } catch (thrown) {
      if (!ScoringError.is(thrown)) throw thrown;
      const text = `input ${alias}, picture ${index}: ${thrown.message}`;
      const isOurs = thrown.reason === "overloaded" || thrown.reason === "internal";
      const code = isOurs ? grpcCode.UNAVAILABLE : grpcCode.INVALID_ARGUMENT;
      throw new ServingError(code, text, { cause: thrown });
    }
  }
  return stacked(tensors);
}

/** Tensors of a batch of one as one batch. */
function stacked(tensors: readonly FixedSizeTensor[]): FixedSizeTensor {
  const [first] = tensors;
  if (!first) throw new RangeError("nothing to stack");
  if (tensors.length === 1) return first;
  const { dtype, shape } = first;
  const size = first.data.byteLength;
  const data = new Uint8Array(size * tensors.length);
  tensors.forEach((tensor, index) => {
    if (String(tensor.shape) !== String(shape) || shape[0] !== 1) {
      throw new ServingError(
        grpcCode.INVALID_ARGUMENT,
        `pictures of shapes [${shape}] and [${tensor.shape}] cannot be scored together`,
      );
    }
    data.set(tensor.data, index * size);
  });
  return fixedSizeTensor(dtype, [tensors.length, ...shape.slice(1)], data);
}

/** @returns the spec's own error if it does not fit `servable` */
export function mismatch(spec: ModelSpec, found: Servable | undefined): ServingError | undefined {
  if (spec.name === "") return servingErrors.missingModelName();
  if (spec.versionLabel !== undefined) return servingErrors.unknownVersionLabel(spec.versionLabel);
  if (found && (spec.version === undefined || spec.version === found.version)) return undefined;
  return servingErrors.servableNotFound(spec.name, spec.version);
}
