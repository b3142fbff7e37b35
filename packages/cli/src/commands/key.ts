import { UsageError } from "../command-error.ts";
import { createKey } from "../deploy/service-key.ts";

export interface NewKeyOptions {
  readonly id?: string;
  /** Names, separated by commas. */
  readonly models: string;
}

/** Generates a key, and prints it with its entry for the configuration, which has only its digest. */
export function printNewKey({ id, models }: NewKeyOptions): void {
  if (id === undefined) throw new UsageError("name the key with --id, as in --id app");
  const { key, entry } = createKey(
    id,
    models.split(",").map((name) => name.trim()),
  );
  const names = entry.models.map((name) => JSON.stringify(name)).join(", ");
  process.stdout.write(
    [
      "key, shown only once:",
      `  ${key}`,
      "entry for the configuration:",
      "keys:",
      `  - { id: ${id}, sha256: "${entry.sha256}", models: [${names}] }`,
      "",
    ].join("\n"),
  );
}
