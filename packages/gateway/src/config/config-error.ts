/** One thing that is wrong with a configuration. */
export interface ConfigFault {
  /** Where in the configuration: `pools[0].replicas`; empty for the whole. */
  readonly path: string;
  /** Line in the file, from 1; absent where the configuration did not come from one. */
  readonly line?: number;
  readonly message: string;
}

/** Every fault of a configuration, not just the first. */
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
