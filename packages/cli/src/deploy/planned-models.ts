import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { headFault, type ModelOptions } from "@tensorgate/gateway";
import { type ModelVersion, type Registry, RegistryError } from "@tensorgate/registry";
import { parseHead } from "@tensorgate/teaching";
import { CommandError, UsageError } from "../command-error.ts";
import {
  type HeadValues,
  type ModelPlan,
  type ModelValues,
  modelValues,
} from "./service-values.ts";

/** What a service will run. */
export interface PlannedModels {
  /** A model server each, with the heads on it. */
  readonly values: readonly ModelValues[];
  /** Versions of models and heads. */
  readonly versions: readonly ModelVersion[];
  /** What callers name: models and heads. */
  readonly names: readonly string[];
}

/**
 * Most bytes of all heads of a service: Helm keeps a release in one Secret of 1 MiB, compressed, with the configuration
 * twice.
 */
const maxHeadBytes = 400_000;

/**
 * Computes the values of models. A head belongs to the gateway: its backbone gets a model server, and is deployed with it if
 * it is not named itself.
 *
 * @param say - called with what was not asked for
 * @throws CommandError if a model cannot be deployed; UsageError for a model that is named twice
 */
export async function planModels(
  registry: Registry,
  references: readonly string[],
  plan: ModelPlan,
  say: (line: string) => void,
): Promise<PlannedModels> {
  const named: ModelVersion[] = [];
  for (const reference of references) {
    const version = await registry.version(reference);
    if (named.some(({ name }) => name === version.name)) {
      throw new UsageError(`${version.name} is named twice in --models; name one version`);
    }
    named.push(version);
  }
  const heads = await Promise.all(named.filter(isHead).map(readHead));
  const models = named.filter((each) => !isHead(each));
  for (const head of heads) {
    if (models.some(({ name }) => name === head.backbone.model)) continue;
    const backbone = await backboneOf(registry, head);
    say(
      `${head.version.name} is a head: ${backbone.name}@${backbone.version} is deployed as its backbone`,
    );
    models.push(backbone);
  }
  assertSize(heads);
  const values: ModelValues[] = [];
  for (const version of models) {
    const model = await modelValues(version, plan);
    const own = heads.filter(({ backbone }) => backbone.model === version.name);
    for (const { values: head } of own) assertFits(model, head);
    values.push(own.length === 0 ? model : { ...model, heads: own.map((each) => each.values) });
  }
  return {
    values,
    versions: [...models, ...heads.map(({ version }) => version)],
    names: [...models, ...heads.map(({ version }) => version)].map(({ name }) => name),
  };
}

/** A head that was merged with its backbone, and has an image, is a model like any other. */
const isHead = ({ forms, images }: ModelVersion) =>
  forms.head !== undefined && !images.some(({ isPushed }) => isPushed);

interface PlannedHead {
  readonly version: ModelVersion;
  readonly backbone: { readonly model: string; readonly version: string };
  readonly byteCount: number;
  readonly values: HeadValues;
}

async function readHead(version: ModelVersion): Promise<PlannedHead> {
  const file = join(version.folder, "head.json");
  try {
    const document = await readFile(file, "utf8");
    const { backbone } = parseHead(document);
    const number = String(version.version);
    return {
      version,
      backbone: { model: backbone.model, version: String(backbone.version) },
      byteCount: Buffer.byteLength(document),
      values: {
        name: version.name,
        versions: [{ version: number, document }],
        aliases: Object.fromEntries(version.aliases.map((alias) => [alias, number])),
      },
    };
  } catch (thrown) {
    throw new CommandError(`cannot deploy ${file}: ${(thrown as Error).message}`);
  }
}

/** The version of the backbone that the head was taught on: the gateway refuses another one that has other features. */
async function backboneOf(
  registry: Registry,
  { version: { name, version }, backbone }: PlannedHead,
): Promise<ModelVersion> {
  try {
    return await registry.version({
      name: backbone.model,
      at: { kind: "version", version: BigInt(backbone.version) },
    });
  } catch (thrown) {
    if (!(thrown instanceof RegistryError || thrown instanceof SyntaxError)) throw thrown;
    throw new CommandError(
      `${name}@${version} is a head on ${backbone.model}@${backbone.version}, which is not in the registry; name its backbone as well: --models ${name}@${version},${backbone.model}@VERSION`,
    );
  }
}

function assertFits({ name, version, release }: ModelValues, head: HeadValues): void {
  const { name: headName, ...settings } = head;
  const backbone: ModelOptions = { name, ...release };
  const fault = headFault(backbone, { name: headName, head: { of: name, ...settings } });
  if (fault === undefined) return;
  const reason = fault.replace(`${headName} is not served: `, "");
  throw new CommandError(`${headName} cannot be deployed on ${name}@${version}: ${reason}`);
}

function assertSize(heads: readonly PlannedHead[]): void {
  const byteCount = heads.reduce((sum, each) => sum + each.byteCount, 0);
  if (byteCount <= maxHeadBytes) return;
  const names = heads.map(({ version }) => version.name).join(", ");
  throw new CommandError(
    `the heads ${names} have ${byteCount} bytes, more than the ${maxHeadBytes} that a release of Helm can hold; merge each with its backbone (tensorgate teach --merge), and build an image of it`,
  );
}
