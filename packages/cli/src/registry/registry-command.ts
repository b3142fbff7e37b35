import { OciError } from "@tensorgate/oci-image";
import { openRegistry, type Registry, RegistryError } from "@tensorgate/registry";
import { CommandError } from "../command-error.ts";
import { jsonLine } from "./version-text.ts";

/** Options that every command on a registry has. */
export interface RegistryOptions {
  /** Folder of the registry. */
  readonly registry: string;
  readonly json?: boolean;
}

/** What a command prints: lines for people, and a value for each line of `--json`. */
export interface CommandResult {
  readonly lines: readonly string[];
  readonly values: readonly unknown[];
}

/**
 * Runs a command on a registry and prints its result.
 *
 * @throws CommandError for every error of the registry
 */
export async function onRegistry(
  { registry, json }: RegistryOptions,
  run: (registry: Registry) => Promise<CommandResult>,
): Promise<void> {
  try {
    const { lines, values } = await run(openRegistry(registry));
    const printed = json ? values.map(jsonLine) : lines;
    if (printed.length > 0) process.stdout.write(`${printed.join("\n")}\n`);
  } catch (thrown) {
    throw thrown instanceof RegistryError || thrown instanceof OciError
      ? new CommandError(thrown.message, { cause: thrown })
      : thrown;
  }
}
