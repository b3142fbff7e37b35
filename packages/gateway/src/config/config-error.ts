/** One fault of a configuration. */
export interface ConfigFault {
  /** Path of the setting: `pools[0].replicas`; empty for the whole configuration. */
  readonly path: string;
  /** Line in the file, from 1; absent if the configuration is not from a file. */
  readonly line?: number;
  readonly message: string;
}

/** All faults of a configuration. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly faults: readonly ConfigFault[];

  constructor(source: string, faults: readonly ConfigFault[]) {
    const lines = faults.map(({ path, line, message }) => {
      const place = [line === undefined ? undefined : `line ${line}`, path || undefined];
      return `  ${[place.filter(Boolean).join(", "), message].filter(Boolean).join(": ")}`;
    });
    const count = faults.length === 1 ? "1 fault" : `${faults.length} faults`;
    super(`${source} has ${count}:\n${lines.join("\n")}`);
    this.faults = faults;
  }
}
