import { type ModelInfo, ScoringClient, ScoringError } from "@tensorgate/client";
import { failureText } from "../call-failure.ts";
import { CommandError } from "../command-error.ts";

export interface ListModelsOptions {
  readonly url?: string;
  readonly key?: string;
  readonly json?: boolean;
}

/** Prints the models of a gateway. */
export async function runListModels({ url, key, json }: ListModelsOptions): Promise<void> {
  await using client = new ScoringClient({
    ...(url !== undefined && { baseUrl: url }),
    ...(key !== undefined && { apiKey: key }),
  });
  let models: readonly ModelInfo[];
  try {
    models = await client.models.list();
  } catch (thrown) {
    throw ScoringError.is(thrown) ? new CommandError(failureText(thrown)) : thrown;
  }
  const lines = json ? models.map(jsonLine) : aligned([heading, ...models.map(cells)]);
  process.stdout.write(`${lines.join("\n")}\n`);
}

const heading = ["model", "can", "versions", "regions", "classes", "weights", "family"];

function cells(model: ModelInfo): readonly string[] {
  const { name, tasks, versions, regions, labelCount, weights, family = "" } = model;
  const counted = labelCount === 0 ? "" : String(labelCount);
  return [name, tasks.join(" "), versions.join(" "), regions.join(" "), counted, weights, family];
}

/** Writes versions as strings, as in the catalog: numbers in JSON cannot hold an int64. */
function jsonLine({ versions, ...model }: ModelInfo): string {
  return JSON.stringify({ ...model, versions: versions.map(String) });
}

/** Pads the cells of each column to the same width. */
export function aligned(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
