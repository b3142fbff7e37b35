import { createHash, randomBytes } from "node:crypto";
import { UsageError } from "../command-error.ts";

export interface NewKeyOptions {
  readonly id?: string;
  /** Names, separated by commas. */
  readonly models: string;
}

/** Generates a key, and prints it with its entry for the configuration, which has only its digest. */
export function printNewKey({ id, models }: NewKeyOptions): void {
  if (id === undefined) throw new UsageError("name the key with --id, as in --id app");
  const key = `tg_${id}_${randomBytes(32).toString("base64url")}`;
  const sha256 = createHash("sha256").update(key).digest("hex");
  const names = models
    .split(",")
    .map((name) => JSON.stringify(name.trim()))
    .join(", ");
  process.stdout.write(
    [
      "key, shown only once:",
      `  ${key}`,
      "entry for the configuration:",
      "keys:",
      `  - { id: ${id}, sha256: "${sha256}", models: [${names}] }`,
      "",
    ].join("\n"),
  );
}
