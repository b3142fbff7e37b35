import { type ParseArgsConfig, parseArgs } from "node:util";

/** Parses the arguments of a program, and ends it with a message and exit code 2 if they cannot be understood. */
export function programArguments<Config extends ParseArgsConfig>(
  config: Config,
): ReturnType<typeof parseArgs<Config>> {
  try {
    return parseArgs(config);
  } catch (thrown) {
    process.stderr.write(`${(thrown as Error).message}; see --help\n`);
    process.exit(2);
  }
}
