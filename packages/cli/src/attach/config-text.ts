import type { ModelOptions, PoolOptions } from "@tensorgate/gateway";

export interface ConfigTextOptions {
  readonly region: string;
  readonly model: ModelOptions;
  readonly pool: PoolOptions;
  /** Written above the model, one comment each. */
  readonly doubts: readonly string[];
  /** Comment at the start of the file. */
  readonly origin: string;
}

/** Writes a configuration in YAML, with the doubts as comments. */
export function configText({ region, model, pool, doubts, origin }: ConfigTextOptions): string {
  const { name, ...described } = model;
  const { model: _same, region: _there, ...reached } = pool;
  return [
    `# ${oneLine(origin)}`,
    `region: ${scalar(region)}`,
    "models:",
    ...doubts.map((doubt) => `  # check: ${oneLine(doubt)}`),
    `  - name: ${scalar(name)}`,
    ...members(described, "    "),
    "pools:",
    `  - model: ${scalar(name)}`,
    `    region: ${scalar(region)}`,
    ...members(reached, "    "),
    "",
  ].join("\n");
}

/** Writes a text, which may be that of a server, in one line: a line of a comment ends at any line break. */
function oneLine(text: string): string {
  return text
    .trim()
    .replace(/\s+/g, " ")
    .replace(/\p{Cc}/gu, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

function members(value: object, indent: string): readonly string[] {
  return Object.entries(value).map(([key, each]) => `${indent}${key}: ${flow(each)}`);
}

/** Writes a value in one line. */
function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const inner = Object.entries(value).map(([key, each]) => `${scalar(key)}: ${flow(each)}`);
    return `{ ${inner.join(", ")} }`;
  }
  return typeof value === "string" ? scalar(value) : String(value);
}

/** Quotes a text unless YAML reads it as the same text without quotes. */
function scalar(text: string): string {
  const isPlain =
    /^[A-Za-z_][\w-]*$/.test(text) && !/^(y|n|yes|no|on|off|true|false|null)$/i.test(text);
  return isPlain ? text : JSON.stringify(text);
}
