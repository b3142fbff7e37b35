import { assertModelName, versionFrom } from "./names.ts";
import { RegistryError } from "./registry-error.ts";

/** Names a version of a model: by number, by alias, or the latest one. */
export interface ModelReference {
  readonly name: string;
  readonly at:
    | { readonly kind: "latest" }
    | { readonly kind: "version"; readonly version: bigint }
    | { readonly kind: "alias"; readonly alias: string };
}

/** Names a version; a text is read by `parseReference`. */
export type VersionReference = string | ModelReference;

/**
 * Reads a reference: `name`, `name@3`, `name@alias`, and MLflow's URIs `models:/name/3` and `models:/name@alias`.
 *
 * @throws RegistryError `invalid`
 */
export function parseReference(text: string): ModelReference {
  const isUri = text.startsWith("models:/");
  const [, name = "", mark = "", rest = ""] =
    (isUri ? /^models:\/+([^/@]*)([/@]?)(.*)$/ : /^([^@]*)(@?)(.*)$/).exec(text) ?? [];
  assertModelName(name);
  if (mark === "") return { name, at: { kind: "latest" } };
  const version = versionFrom(rest);
  if (mark === "/" && rest === "latest") return { name, at: { kind: "latest" } };
  if (version !== undefined) return { name, at: { kind: "version", version } };
  if (mark === "@" && /^[A-Za-z][\w.-]*$/.test(rest)) {
    return { name, at: { kind: "alias", alias: rest } };
  }
  throw new RegistryError(
    "invalid",
    `invalid reference "${text}"; expected ${name}, ${name}@3, ${name}@alias, models:/${name}/3 or models:/${name}@alias`,
  );
}

/** Writes a reference as `name`, `name@3` or `name@alias`. */
export function referenceText({ name, at }: ModelReference): string {
  switch (at.kind) {
    case "latest":
      return name;
    case "version":
      return `${name}@${at.version}`;
    case "alias":
      return `${name}@${at.alias}`;
  }
}
