import type { Task } from "@tensorgate/core";

/** What a client is told of one model at compile time; `tensorgate types` writes it. */
export interface CatalogEntry {
  /** What it can be asked for. */
  readonly tasks: Task;
  /** Texts of its labels. */
  readonly labels: string;
}

/** The models of a gateway, known at compile time. */
export type TypedCatalog = Readonly<Record<string, CatalogEntry>>;

/** Any name, any task, any label: what a client takes that was told of no catalog. */
export type AnyCatalog = Readonly<Record<string, CatalogEntry>>;

/** Names of the models that can be asked for `Wanted`. */
export type ModelNames<Catalog, Wanted extends Task> = {
  [Name in keyof Catalog & string]: Catalog[Name] extends { readonly tasks: infer Tasks }
    ? Wanted extends Tasks
      ? Name
      : never
    : never;
}[keyof Catalog & string];

/** Texts of the labels of a model. */
export type LabelsOf<Catalog, Name extends keyof Catalog> = Catalog[Name] extends {
  readonly labels: infer Labels extends string;
}
  ? Labels
  : string;
