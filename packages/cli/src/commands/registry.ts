import {
  type ModelVersion,
  parseReference,
  type RegisterOptions,
  versionFrom,
} from "@tensorgate/registry";
import { CommandError, UsageError } from "../command-error.ts";
import { createByteProgress } from "../registry/byte-progress.ts";
import { byteText } from "../registry/byte-text.ts";
import { onRegistry, type RegistryOptions } from "../registry/registry-command.ts";
import { inspectSource } from "../registry/tensorflow-source.ts";
import {
  formTitle,
  modelTable,
  modelText,
  tagText,
  versionText,
} from "../registry/version-text.ts";

export interface RegisterCommandOptions extends RegistryOptions {
  readonly from: string;
  readonly description?: string;
  readonly tag?: Readonly<Record<string, string>>;
  readonly alias?: readonly string[];
  readonly version?: bigint;
}

/** Registers a folder or an ONNX file as a new version. */
export function runRegister(name: string, options: RegisterCommandOptions): Promise<void> {
  const { from, description, tag: tags, alias: aliases, version: wanted } = options;
  return onRegistry(options, async (registry) => {
    const about = await sourceText(from);
    using progress = createByteProgress(`copying ${from}`, process.stderr);
    const settings: RegisterOptions = {
      from,
      onProgress: progress.onProgress,
      ...(description !== undefined && { description }),
      ...(tags && { tags }),
      ...(aliases && { aliases }),
      ...(wanted !== undefined && { version: wanted }),
    };
    const version = await registry.register(name, settings);
    return { lines: [`registered ${summary(version, about)}`], values: [version] };
  });
}

/** What a SavedModel says of itself: its TensorFlow, and its signatures. */
interface SourceText {
  readonly producer: string;
  readonly signatures: string;
}

/**
 * Reads what a SavedModel says of itself, so that one that cannot be read is not registered.
 *
 * @returns undefined for another model
 * @throws CommandError if it cannot be read
 */
async function sourceText(from: string): Promise<SourceText | undefined> {
  try {
    const info = await inspectSource(from);
    if (!info) return undefined;
    const { tensorflowVersion, signatures } = info;
    const texts = [...signatures].map(([name, { inputs, outputs }]) => {
      const [takes, gives] = [inputs, outputs].map((each) => [...each.keys()].join(", "));
      return `signature ${name} ${takes} → ${gives}`;
    });
    return {
      producer: tensorflowVersion === "" ? "" : ` of TensorFlow ${tensorflowVersion}`,
      signatures: texts.map((text) => `, ${text}`).join(""),
    };
  } catch (thrown) {
    const isUnreadable = thrown instanceof Error && thrown.name === "SavedModelError";
    throw isUnreadable ? new CommandError(thrown.message) : thrown;
  }
}

/** Says what a version is in one line. */
function summary({ name, version, forms }: ModelVersion, about: SourceText | undefined): string {
  const texts = (["saved-model", "onnx", "head"] as const).flatMap((form) => {
    const { byteCount, files = [] } = forms[form] ?? {};
    if (byteCount === undefined) return [];
    const { producer, signatures } = (form === "saved-model" && about) || noText;
    return [`${formTitle(form, files)}${producer}, ${byteText(byteCount)}${signatures}`];
  });
  return `${name}@${version}: ${texts.join("; ")}`;
}

const noText: SourceText = { producer: "", signatures: "" };

/** Lists the models of a registry. */
export function runRegistryList(options: RegistryOptions): Promise<void> {
  return onRegistry(options, async (registry) => {
    const models = await registry.models();
    const hint = `no models in ${registry.directory}; add one: tensorgate registry register NAME --from FOLDER`;
    return { lines: models.length > 0 ? modelTable(models) : [hint], values: models };
  });
}

/** Shows a version, or a model with its latest version. */
export function runRegistryShow(reference: string, options: RegistryOptions): Promise<void> {
  return onRegistry(options, async (registry) => {
    const { name, at } = parseReference(reference);
    const model = await registry.model(name);
    const [latest] = model.versions;
    if (at.kind === "latest" && latest === undefined) {
      return { lines: modelText(model), values: [{ ...model, version: undefined }] };
    }
    const version = await registry.version(reference);
    const about = at.kind === "latest" ? modelText(model) : [];
    return { lines: [...about, ...versionText(version)], values: [version] };
  });
}

export interface AliasOptions extends RegistryOptions {
  readonly remove?: boolean;
}

/** Makes an alias name a version, or removes it. */
export function runRegistryAlias(
  [name, alias, versionText]: readonly [string, string, string | undefined],
  options: AliasOptions,
): Promise<void> {
  const version = versionText === undefined ? undefined : versionFrom(versionText);
  if (options.remove ? versionText !== undefined : version === undefined) {
    throw new UsageError(
      `give a version such as 1, or --remove: tensorgate registry alias ${name} ${alias} 1`,
    );
  }
  return onRegistry(options, async (registry) => {
    if (version === undefined) {
      const model = await registry.removeAlias(name, alias);
      return { lines: [`${name}@${alias} is removed`], values: [model] };
    }
    const model = await registry.setAlias(name, alias, version);
    return { lines: [`${name}@${alias} names version ${version}`], values: [model] };
  });
}

export interface TagOptions extends RegistryOptions {
  readonly remove?: readonly string[];
  readonly description?: string;
}

/** Changes tags and the description of a version, or of a model if no version is named. */
export function runRegistryTag(
  reference: string,
  tags: Readonly<Record<string, string>>,
  options: TagOptions,
): Promise<void> {
  const { remove = [], description } = options;
  if (Object.keys(tags).length + remove.length === 0 && description === undefined) {
    throw new UsageError(
      `give tags, --remove or --description: tensorgate registry tag ${reference} stage=test`,
    );
  }
  const removed = Object.fromEntries(remove.map((key) => [key, undefined]));
  const annotations = {
    tags: { ...tags, ...removed },
    ...(description !== undefined && { description }),
  };
  return onRegistry(options, async (registry) => {
    const { name, at } = parseReference(reference);
    const changed =
      at.kind === "latest"
        ? await registry.annotateModel(name, annotations)
        : await registry.annotateVersion(reference, annotations);
    return { lines: [`${reference}: ${tagText(changed.tags) || "no tags"}`], values: [changed] };
  });
}

/** Deletes a version, or a model without versions. */
export function runRegistryDelete(reference: string, options: RegistryOptions): Promise<void> {
  return onRegistry(options, async (registry) => {
    const { name, at } = parseReference(reference);
    if (at.kind === "latest") await registry.deleteModel(name);
    else await registry.deleteVersion(reference);
    return { lines: [`deleted ${reference}`], values: [{ deleted: reference }] };
  });
}
