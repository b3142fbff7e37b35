import type { Servable } from "../servable.ts";
import type { VersionOrigin } from "./reload-plan.ts";
import type { LabelledModel } from "./version-labels.ts";

/** A version of a model that can be loaded. */
export interface Loadable extends VersionOrigin {
  /** Changes when the file does, so that a version that failed is tried again then. */
  readonly stamp: string;
  /** @throws Error if it cannot be loaded */
  load(): Promise<Servable>;
}

/** A model that is to be served. Its versions are looked up when a reload begins, and again when folders are watched. */
export interface WantedModel extends LabelledModel {
  /** Whether it stands for the models that a folder gets later: it is none at first, and then several. */
  readonly isLater?: boolean;
  /**
   * Finds the versions to serve, the highest first; none if its folder has none any more.
   *
   * @throws ServingError, ModelFolderError if they cannot be looked up: what is served then stays
   */
  find(): readonly Loadable[] | Promise<readonly Loadable[]>;
  /**
   * Reads the aliases of a registry, which are labels of the versions that are served. They may move at any time.
   *
   * @throws Error if they cannot be read: those in force stay then
   */
  aliases?(): Promise<readonly LabelledModel[]>;
}
