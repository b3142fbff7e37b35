import { type ModelInfo, ScoringClient, ScoringError } from "@tensorgate/client";
import { failureText } from "../call-failure.ts";
import { CommandError } from "../command-error.ts";

export interface TypesOptions {
  readonly url?: string;
  readonly key?: string;
}

/** Prints the models of a gateway as a TypeScript type. */
export async function runTypes({ url, key }: TypesOptions): Promise<void> {
  await using client = new ScoringClient({
    ...(url !== undefined && { baseUrl: url }),
    ...(key !== undefined && { apiKey: key }),
  });
  try {
    const listed = await client.models.list();
    const models = await Promise.all(listed.map(({ name }) => client.models.get(name)));
    process.stdout.write(catalogTypes(models));
  } catch (thrown) {
    throw ScoringError.is(thrown) ? new CommandError(failureText(thrown)) : thrown;
  }
}

const indent = "  ";

/** Returns a module that exports `Catalog`; models with the same labels share one type. */
export function catalogTypes(models: readonly ModelInfo[]): string {
  const names = new Map<string, string>();
  const lists: string[] = [];
  const entries = models.map((model) => {
    const union = unionOf(model.labels ?? []);
    let labels = names.get(union);
    if (labels === undefined && model.labels?.length) {
      labels = uniqueName(model.name, [...names.values()]);
      names.set(union, labels);
      lists.push(`export type ${labels} =${union};\n`);
    }
    const tasks = model.tasks.map((task) => JSON.stringify(task)).join(" | ");
    return [
      `${indent}readonly ${JSON.stringify(model.name)}: {`,
      `${indent}${indent}readonly tasks: ${tasks};`,
      `${indent}${indent}readonly labels: ${labels ?? "string"};`,
      `${indent}};`,
    ].join("\n");
  });
  return [
    "// Written by `tensorgate types`. The models of a gateway: new ScoringClient<Catalog>()",
    "",
    ...lists,
    "export interface Catalog {",
    ...entries,
    "}",
    "",
  ].join("\n");
}

/** Returns a union of the labels, without duplicates. */
function unionOf(labels: readonly string[]): string {
  const texts = [...new Set(labels)].map((label) => JSON.stringify(label));
  return texts.map((text) => `\n${indent}| ${text}`).join("");
}

/** Returns a type name, such as `ShapesDetectorLabel` for `shapes-detector`. */
function uniqueName(model: string, taken: readonly string[]): string {
  const words = model.split(/[^A-Za-z0-9]+/).filter(Boolean);
  const joined = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
  const name = `${/^[A-Za-z]/.test(joined) ? "" : "Model"}${joined}Label`;
  for (let number = 1; ; number += 1) {
    const candidate = number === 1 ? name : `${name}${number}`;
    if (!taken.includes(candidate)) return candidate;
  }
}
