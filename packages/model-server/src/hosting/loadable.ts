import type { Servable } from "../servable.ts";
import type { VersionOrigin } from "./reload-plan.ts";

/** A version of a model that can be loaded. */
export interface Loadable extends VersionOrigin {
  /** @throws Error if it cannot be loaded */
  load(): Promise<Servable>;
}

/** What a reload requests under one name. It is looked up when the reload begins, which may be later. */
export interface WantedModel {
  readonly name: string;
  /** @throws ServingError, ModelFolderError if there is nothing to load */
  find(): Loadable;
}
