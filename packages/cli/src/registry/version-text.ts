import type { FormName, ModelVersion, RegisteredModel } from "@tensorgate/registry";
import { aligned } from "../commands/list-models.ts";
import { byteText } from "./byte-text.ts";

/** Names of the forms for people. */
const formTitles: Readonly<Record<FormName, string>> = {
  "saved-model": "SavedModel",
  onnx: "ONNX",
  preprocessing: "preprocessing",
  head: "head",
  image: "image",
};

/** Name of a form for people; a frozen graph of TensorFlow is kept as a SavedModel is. */
export function formTitle(form: FormName, files: readonly { readonly path: string }[]): string {
  return files.some(({ path }) => path === "frozen.pb") ? "frozen graph" : formTitles[form];
}

/** Writes a value as one line of JSON. Versions are strings: numbers in JSON cannot hold an int64. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === "bigint" ? String(each) : each,
  );
}

const heading = ["model", "versions", "latest", "aliases", "description"];

/** Writes models as a table. */
export function modelTable(models: readonly RegisteredModel[]): readonly string[] {
  const rows = models.map(({ name, versions, aliases, description }) => [
    name,
    String(versions.length),
    String(versions[0] ?? ""),
    Object.entries(aliases)
      .map(([alias, version]) => `${alias}=${version}`)
      .join(" "),
    description,
  ]);
  return aligned([heading, ...rows]);
}

/** Writes a version: what it is, its forms with sizes and digests, and what names it. */
export function versionText(version: ModelVersion): readonly string[] {
  const { name, description, folder, source = "", createdAt = "" } = version;
  const facts = [
    ["description", description],
    ["tags", tagText(version.tags)],
    ["aliases", version.aliases.join(" ")],
    ["services", version.services.join(" ")],
    ["registered", createdAt],
    ["from", source],
    ["folder", folder],
  ].filter(([, text]) => text !== "");
  return [
    `${name}@${version.version}`,
    ...indented(aligned(facts)),
    ...indented(formLines(version)),
  ];
}

function formLines({ forms, images }: ModelVersion): readonly string[] {
  const rows = [
    ...Object.entries(forms).map(([form, { sha256, byteCount, files }]) => [
      formTitle(form as FormName, files),
      byteText(byteCount),
      `sha256:${sha256}`,
      files.length === 1 ? (files[0]?.path ?? "") : `${files.length} files`,
    ]),
    ...images.map(({ reference, sha256, byteCount }) => [
      formTitles.image,
      byteText(byteCount),
      `sha256:${sha256}`,
      reference,
    ]),
  ];
  return aligned(rows);
}

/** Writes the model itself, before its versions. */
export function modelText(model: RegisteredModel): readonly string[] {
  const { name, description, tags, aliases, versions } = model;
  const facts = [
    ["description", description],
    ["tags", tagText(tags)],
    ["versions", versions.join(" ")],
    [
      "aliases",
      Object.entries(aliases)
        .map(([alias, version]) => `${alias}=${version}`)
        .join(" "),
    ],
  ].filter(([, text]) => text !== "");
  return [name, ...indented(aligned(facts))];
}

export function tagText(tags: Readonly<Record<string, string>>): string {
  return Object.entries(tags)
    .map(([key, value]) => `${key}=${value}`)
    .join(" ");
}

const indented = (lines: readonly string[]) => lines.map((line) => `  ${line}`);
