import type { CallContext } from "./call.ts";
import type { ModelCatalog } from "./model-catalog.ts";
import type { ModelSpec } from "./model-spec.ts";
import type { ModelStatus } from "./model-status.ts";
import type { Classify, Detect, Embed } from "./picture-scoring.ts";
import type { Score } from "./score.ts";
import type { ModelMetadata } from "./signature.ts";

/** Asks one replica of a model about it. */
export type AskModel<Answer> = (modelSpec: ModelSpec, call: CallContext) => Promise<Answer>;

/** What callers may have done with the models of one configuration, whatever the protocol. */
export interface Tasks {
  readonly classify: Classify;
  readonly detect: Detect;
  readonly embed: Embed;
  readonly score: Score;
  readonly modelStatus: AskModel<ModelStatus>;
  readonly modelMetadata: AskModel<ModelMetadata>;
  readonly catalog: ModelCatalog;
}
