import {
  type CallContext,
  type Clock,
  FailedPreconditionError,
  type ModelSpec,
  type ResolvedModel,
  type ScoreResponse,
  ScoringError,
  type Signature,
  type Tensor,
} from "@tensorgate/core";
import { type Dialect, namesByDialect } from "@tensorgate/tf-serving";
import type { PredictDialect } from "./dialects/predict.ts";
import type { ReplicaTlsOptions, UpstreamKeyOptions } from "./options.ts";
import type { Replica } from "./replica.ts";
import {
  type NamedSignature,
  rankedSignatures,
  type SampleInput,
  sampleInput,
} from "./sample-input.ts";

/** A backend to inspect. */
export interface BackendRequest {
  /** `host:port`. */
  readonly address: string;
  readonly tls?: ReplicaTlsOptions;
  readonly key?: UpstreamKeyOptions;
  /** Service by which a cluster routes to an FPGA container. */
  readonly service?: string;
  /** Detected by default. */
  readonly dialect?: Dialect;
  /** Names to try, in this order; servers do not list their models. FPGA containers ignore the name. */
  readonly models: readonly string[];
  /** Time limit of each call, in milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** What a server is by its dialect. */
export interface BackendKind {
  readonly dialect: Dialect;
  /** What users call such a server. */
  readonly title: string;
  /** Whether requests name their model; otherwise the server holds a single one, and does not know its name. */
  readonly namesModels: boolean;
}

/** Returns what a server is that has answered in a dialect. */
export function backendKind({ name, title, namesModels }: PredictDialect): BackendKind {
  return { dialect: name, title, namesModels };
}

/** Dialect, model and tensors of a backend. */
export interface BackendCapabilities extends BackendKind {
  /** What the server calls itself, such as `triton 2.51.0`; absent if it does not say. */
  readonly server?: string;
  /** Name of the model there; the first name to try if the backend has none. */
  readonly model: string;
  readonly versions: readonly bigint[];
  /** Whether it reports that its weights are random; results are meaningless then. */
  readonly isSeeded?: boolean;
  /** The one that was scored, as reported by the server; only stock servers report it. */
  readonly signature?: Signature;
  /** Name of that signature; absent where a model has one without a name. */
  readonly signatureName?: string;
  /** Names of the other signatures that can be scored. */
  readonly otherSignatures?: readonly string[];
  /** JSON by which a model server of ours describes the model. */
  readonly manifest?: string;
  /** Wire name of the input that accepted the test picture. */
  readonly input?: string;
  /** Outputs for the test picture, or a tensor of zeros, by wire name. */
  readonly outputs: ReadonlyMap<string, Tensor>;
  /** Why scoring failed. */
  readonly failure?: ScoringError;
}

/** A model without a description: its tensors keep their wire names. */
const unknownModel: Omit<ResolvedModel, "name"> = {
  revision: "",
  wireNames: namesByDialect({ inputs: [], outputs: [] }),
  residency: undefined,
  isIdempotent: false,
  mayHedge: false,
  isCached: false,
};

/** Runs one call of an inspection, within its time limit. */
export type Ask = <Answer>(work: (call: CallContext) => Promise<Answer>) => Promise<Answer>;

/** A model that a server has. */
export interface FoundModel extends BackendKind {
  readonly model: string;
  readonly isSeeded: boolean;
  readonly versions: readonly bigint[];
}

/** Scores a test picture, or zeros as pixels, by the signature that takes it, likeliest first. */
export async function scoredBySignature(
  replica: Replica,
  ask: Ask,
  found: FoundModel,
): Promise<BackendCapabilities> {
  const spec = { name: found.model };
  const { signatures } = await ask((call) => replica.modelMetadata(spec, call));
  // Other servers reject the question, each in its own way.
  const manifest = await ask(async (call) => replica.manifest?.(spec, call)).catch(() => undefined);
  const ranked = rankedSignatures(signatures);
  const scoredBy = (each: NamedSignature): BackendCapabilities => ({
    ...found,
    ...(manifest !== undefined && { manifest }),
    signature: each.signature,
    signatureName: each.name,
    otherSignatures: ranked.map(({ name }) => name).filter((name) => name !== each.name),
    outputs: new Map(),
  });
  let first: BackendCapabilities | undefined;
  for (const each of ranked) {
    const sample = sampleInput(each.signature);
    if (!sample) continue;
    const base = { ...scoredBy(each), input: sample.input };
    try {
      const signatureName = each.name;
      const sent = { modelSpec: { name: found.model, signatureName }, ...sample };
      const { outputs } = await scored(replica, ask, sent);
      return { ...base, outputs };
    } catch (thrown) {
      first ??= { ...base, failure: ScoringError.from(thrown) };
    }
  }
  if (first) return first;
  const failure = new FailedPreconditionError("the model does not take a single image");
  const [usual] = ranked;
  if (usual) return { ...scoredBy(usual), failure };
  return { ...found, outputs: new Map(), failure };
}

export interface Sample extends SampleInput {
  readonly modelSpec: ModelSpec;
}

/** Scores one input of a backend whose model is not described. */
export function scored(
  replica: Replica,
  ask: Ask,
  { modelSpec, input, tensor }: Sample,
): Promise<ScoreResponse> {
  const request = {
    modelSpec,
    model: { ...unknownModel, name: modelSpec.name },
    inputs: new Map([[input, tensor]]),
    outputFilter: [],
  };
  return ask((call) => replica.score(request, call));
}
