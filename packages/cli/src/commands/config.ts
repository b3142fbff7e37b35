import { existsSync, readFileSync, statSync } from "node:fs";
import { counted, textFromUtf8 } from "@tensorgate/core";
import {
  ConfigError,
  type ConfigReading,
  configJsonSchema,
  credentialFaults,
  type GatewayOptions,
  parseConfig,
  readConfigText,
  readRegularFile,
} from "@tensorgate/gateway";
import { CommandError } from "../command-error.ts";

/** No configuration is longer, in bytes: a thousand models with their pools have a tenth of that. */
const maxConfigBytes = 4 * 1024 * 1024;

type ReadFile = (file: string) => Uint8Array;

/** Reads a configuration from a file or pipe. @throws CommandError if it cannot be read, or with all of its faults */
export function readConfig(file: string): GatewayOptions {
  return configFrom(file, readFileSync);
}

/** Reads it while a gateway runs, which must not wait for the writer of a pipe. @throws as `readConfig` */
export function readConfigAgain(file: string): GatewayOptions {
  return configFrom(file, readRegularFile);
}

function configFrom(file: string, read: ReadFile): GatewayOptions {
  const text = textOf(file, read);
  try {
    return parseConfig(text, file);
  } catch (thrown) {
    throw thrown instanceof ConfigError ? new CommandError(thrown.message) : thrown;
  }
}

function textOf(file: string, read: ReadFile): string {
  if (!existsSync(file)) {
    throw new CommandError(
      `cannot read ${file}: there is no such file; tensorgate init writes one, or name another`,
    );
  }
  try {
    const info = statSync(file);
    if (info.isDirectory()) throw new Error("it is a folder; name the file in it");
    const { size } = info;
    if (size > maxConfigBytes) {
      throw new Error(`it has ${size} bytes; a configuration has at most ${maxConfigBytes}`);
    }
    const text = textFromUtf8(read(file));
    if (text.includes("\0")) throw new Error("it is no text");
    return text;
  } catch (thrown) {
    throw new CommandError(`cannot read ${file}: ${(thrown as Error).message}`);
  }
}

/** Reports what `serve` would not start with, and else what the configuration has. @throws CommandError */
export function checkConfig(file: string): void {
  const { options, faults } = readingOf(file);
  const ofFiles = options ? credentialFaults(options) : [];
  const all = [...faults, ...ofFiles.map((message) => ({ path: "", message }))];
  if (!options || all.length > 0) throw new CommandError(new ConfigError(file, all).message);
  const { models, pools } = options;
  const replicas = pools.reduce((count, pool) => count + (pool.replicas?.length ?? 1), 0);
  const names = new Set(
    (models ?? pools.map(({ model: name }) => ({ name }))).map(({ name }) => name),
  );
  process.stdout.write(
    `${file} is valid: ${counted(names.size, "model")}, ${counted(pools.length, "pool")}, ${counted(replicas, "replica")}\n`,
  );
}

function readingOf(file: string): ConfigReading {
  try {
    return readConfigText(textOf(file, readFileSync), file);
  } catch (thrown) {
    throw thrown instanceof ConfigError ? new CommandError(thrown.message) : thrown;
  }
}

export function printConfigSchema(): void {
  process.stdout.write(`${JSON.stringify(configJsonSchema(), undefined, 2)}\n`);
}
