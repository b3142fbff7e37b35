import type { Servable } from "../servable.ts";
import type { VersionOrigin } from "./reload-plan.ts";

/** A version of a model that can be loaded. */
export interface Loadable extends VersionOrigin {
  /** @throws the engine's error if it cannot be */
  load(): Promise<Servable>;
}

/** What a reload asks for under one name. Looked for when it is its turn: other versions may lie there by then. */
export interface WantedModel {
  readonly name: string;
  /** @throws ServingError, ModelFolderError if there is nothing to load */
  find(): Loadable;
}
