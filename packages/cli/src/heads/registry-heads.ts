import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { headFault, type ModelOptions } from "@tensorgate/gateway";
import { openRegistry, type RegisteredModel, type Registry } from "@tensorgate/registry";
import { maxHeadChars, parseHead } from "@tensorgate/teaching";

/** Heads of a registry, as options of a gateway's models. */
export interface RegistryHeads {
  readonly models: readonly ModelOptions[];
  /** Heads that cannot be served, and why. */
  readonly faults: readonly string[];
}

/** A version of a head: its text never changes. */
interface HeadVersion {
  readonly version: bigint;
  readonly document: string;
  readonly backbone: string;
}

export interface HeadReader {
  /**
   * Reads the heads that can be served beside these models: those on the features of one of them. Versions that were
   * read before are not read again.
   */
  read(configured: readonly ModelOptions[]): Promise<RegistryHeads>;
}

/** Creates a reader of the heads in the folder of a registry, which need not exist yet. */
export function createHeadReader(directory: string): HeadReader {
  const registry = openRegistry(directory);
  /** By path; undefined for versions that are no heads, and a text for those that are damaged. */
  const known = new Map<string, HeadVersion | string | undefined>();

  return {
    read: async (configured) => {
      const faults: string[] = [];
      const models: ModelOptions[] = [];
      for (const model of await registry.models()) {
        const versions = await versionsOf(registry, model, known);
        faults.push(...versions.filter((each) => typeof each === "string"));
        const heads = versions.filter((each) => typeof each === "object");
        const options = optionsOf(model, heads);
        if (!options) continue;
        const backbone = configured.find(({ name }) => name === options.head?.of);
        const isTaken = configured.some(({ name }) => name === model.name);
        const fault = isTaken
          ? `${model.name} is not served: the configuration has a model of that name`
          : headFault(backbone, options);
        if (fault === undefined) models.push(options);
        else faults.push(fault);
      }
      return { models, faults };
    },
  };
}

async function versionsOf(
  registry: Registry,
  { name, versions }: RegisteredModel,
  known: Map<string, HeadVersion | string | undefined>,
): Promise<readonly (HeadVersion | string)[]> {
  const found: (HeadVersion | string)[] = [];
  for (const version of versions) {
    const file = join(registry.directory, name, String(version), "head.json");
    if (!known.has(file)) known.set(file, await headVersion(file, version));
    const head = known.get(file);
    if (head !== undefined) found.push(head);
  }
  return found;
}

async function headVersion(
  file: string,
  version: bigint,
): Promise<HeadVersion | string | undefined> {
  try {
    const { size } = await stat(file);
    if (size > maxHeadChars)
      return `${file} is not served: it is larger than ${maxHeadChars} bytes`;
    const document = await readFile(file, "utf8");
    return { version, document, backbone: parseHead(document).backbone.model };
  } catch (thrown) {
    const isMissing = thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT";
    return isMissing ? undefined : `${file} is not served: ${(thrown as Error).message}`;
  }
}

/** Versions on another backbone than the latest one's are left out: a model has one. */
function optionsOf(
  { name, aliases }: RegisteredModel,
  heads: readonly HeadVersion[],
): ModelOptions | undefined {
  const [latest] = heads;
  if (!latest) return undefined;
  const served = heads.filter(({ backbone }) => backbone === latest.backbone);
  const isServed = (version: bigint) => served.some((each) => each.version === version);
  return {
    name,
    head: {
      of: latest.backbone,
      versions: served.map(({ version, document }) => ({ version: String(version), document })),
      aliases: Object.fromEntries(
        Object.entries(aliases).flatMap(([alias, version]) =>
          isServed(version) ? [[alias, String(version)]] : [],
        ),
      ),
    },
  };
}
