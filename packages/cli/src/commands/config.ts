import { readFileSync } from "node:fs";
import { counted, textFromUtf8 } from "@tensorgate/core";
import {
  ConfigError,
  configJsonSchema,
  type GatewayOptions,
  parseConfig,
} from "@tensorgate/gateway";
import { CommandError } from "../command-error.ts";

/** Reads a configuration. @throws CommandError if the file cannot be read, or with all of its faults */
export function readConfig(file: string): GatewayOptions {
  let text: string;
  try {
    text = textFromUtf8(readFileSync(file));
  } catch (thrown) {
    throw new CommandError(`cannot read ${file}: ${(thrown as Error).message}`);
  }
  try {
    return parseConfig(text, file);
  } catch (thrown) {
    throw thrown instanceof ConfigError ? new CommandError(thrown.message) : thrown;
  }
}

export function checkConfig(file: string): void {
  const { models = [], pools } = readConfig(file);
  const replicas = pools.reduce((count, pool) => count + (pool.replicas?.length ?? 1), 0);
  process.stdout.write(
    `${file} is valid: ${counted(models.length, "model")}, ${counted(pools.length, "pool")}, ${counted(replicas, "replica")}\n`,
  );
}

export function printConfigSchema(): void {
  process.stdout.write(`${JSON.stringify(configJsonSchema(), undefined, 2)}\n`);
}
