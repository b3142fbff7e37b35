import type {
  CallContext,
  Classify,
  Detect,
  Embed,
  ModelCatalog,
  ModelMetadata,
  ModelSpec,
  ModelStatus,
  Score,
} from "@tensorgate/core";
import type { AccessLayer, Admission } from "../access/access.ts";

/** Asks one replica of a model something about it. */
export type AskModel<Answer> = (modelSpec: ModelSpec, call: CallContext) => Promise<Answer>;

/** What clients may ask for, by the models of one configuration. */
export interface Tasks {
  readonly classify: Classify;
  readonly detect: Detect;
  readonly embed: Embed;
  readonly score: Score;
  readonly modelStatus: AskModel<ModelStatus>;
  readonly modelMetadata: AskModel<ModelMetadata>;
  readonly catalog: ModelCatalog;
}

/** What a reload swaps, whole: who may call, and what models mean. A call keeps what it began with. */
export interface InForce {
  readonly authenticate: AccessLayer;
  readonly tasks: Tasks;
}

/** A call that was admitted. */
export interface AdmittedCall extends Admission {
  readonly tasks: Tasks;
}
