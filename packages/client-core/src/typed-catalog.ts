import type { Task } from "@tensorgate/core";

/** One model at compile time; `tensorgate types` writes it. */
export interface CatalogEntry {
  /** Tasks of the model. */
  readonly tasks: Task;
  /** Its labels. */
  readonly labels: string;
}

/** The models of a gateway, known at compile time. */
export type TypedCatalog = Readonly<Record<string, CatalogEntry>>;

/** Any name, any task, any label: the default of a client without a catalog. */
export type AnyCatalog = Readonly<Record<string, CatalogEntry>>;

/** Names of the models with the task `Wanted`. */
export type ModelNames<Catalog, Wanted extends Task> = {
  [Name in keyof Catalog & string]: Catalog[Name] extends { readonly tasks: infer Tasks }
    ? Wanted extends Tasks
      ? Name
      : never
    : never;
}[keyof Catalog & string];

/** Labels of a model. */
export type LabelsOf<Catalog, Name extends keyof Catalog> = Catalog[Name] extends {
  readonly labels: infer Labels extends string;
}
  ? Labels
  : string;
