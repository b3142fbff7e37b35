import { dirname, resolve } from "node:path";
import type { Document, Node } from "yaml";
import type { z } from "zod";
import { isLabelListName, labelsFromText, textFromUtf8 } from "../models/options.ts";
import { readRegularFile } from "../regular-file.ts";
import { ConfigError, type ConfigFault } from "./config-error.ts";
import { configJsonSchema } from "./config-schema.ts";
import { type GatewayOptions, gatewaySchema } from "./gateway-options.ts";
import { looseEnds, type PathFault, referenceFaults } from "./reference-faults.ts";
import { warnByProcess, withCurrentNames } from "./renamed-settings.ts";
import { type SettingSchema, settingMessage, unknownSettingMessage } from "./setting-message.ts";
import { loadYaml } from "./yaml.ts";

/** Reads the text of a file, by its path relative to the configuration. */
export type ReadText = (path: string) => string;

/**
 * Reads a configuration in YAML or JSON.
 *
 * @param fileName - for messages, and to resolve relative paths
 * @throws ConfigError with every fault, its path and its line
 */
export function parseConfig(
  text: string,
  fileName: string,
  readText: ReadText = relativeTo(fileName),
): GatewayOptions {
  const { options, faults } = readConfigText(text, fileName, readText);
  if (!options || faults.length > 0) throw new ConfigError(fileName, faults);
  return options;
}

/** What a configuration says, and what is wrong with it. */
export interface ConfigReading {
  /** Absent if a setting has a value that it cannot have; there also where settings do not fit each other. */
  readonly options: GatewayOptions | undefined;
  readonly faults: readonly ConfigFault[];
}

/**
 * Reads a configuration as `parseConfig` does, and returns its faults.
 *
 * @throws ConfigError if its aliases cannot be resolved
 */
export function readConfigText(
  text: string,
  fileName: string,
  readText: ReadText = relativeTo(fileName),
): ConfigReading {
  const { LineCounter, parseDocument } = loadYaml();
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    logLevel: "error",
  });
  if (document.errors.length > 0) {
    const faults = document.errors.map(({ message, pos }) => ({
      path: "",
      line: lines.linePos(pos[0]).line,
      message,
    }));
    return { options: undefined, faults };
  }
  const faults: ConfigFault[] = [];
  const lineOf = (path: readonly PropertyKey[]): { line?: number } => {
    const offset = offsetOf(document.contents, path);
    return offset === undefined ? {} : { line: lines.linePos(offset).line };
  };
  const written = withCurrentNames(plainValue(document, fileName), warnByProcess);
  const report = (fault: PathFault) =>
    faults.push({ path: pathText(fault.path), ...lineOf(fault.path), message: fault.message });
  const value: unknown = withHeadFiles(withLabelFiles(written, readText, report), readText, report);
  const { options, faults: found } = checked(value);
  for (const { path, message } of [...found, ...looseEnds(value)]) {
    faults.push({ path: pathText(path), ...lineOf(path), message });
  }
  return { options: options && withPathsFrom(dirname(resolve(fileName)), options), faults };
}

const relativeTo =
  (fileName: string): ReadText =>
  (path) =>
    textFromUtf8(readRegularFile(resolve(dirname(fileName), path)));

/** Checks the shape of each setting, and whether they fit together. Returns all faults, not only the first. */
function checked(value: unknown): {
  readonly options: GatewayOptions | undefined;
  readonly faults: readonly PathFault[];
} {
  const parsed = gatewaySchema.safeParse(value, { error: settingMessage });
  const faults = parsed.success ? [] : [...issuesOf(parsed.error)];
  return { options: parsed.data, faults: [...faults, ...referenceFaults(value)] };
}

/** Resolves aliases. @throws ConfigError for an unknown alias, or for too many */
function plainValue(document: Document, fileName: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    throw new ConfigError(fileName, [{ path: "", message }]);
  }
}

/**
 * Checks options that were built in code.
 *
 * @throws ConfigError with every fault and its path
 */
export function checkedOptions(options: GatewayOptions): GatewayOptions {
  const value = withCurrentNames(withoutUndefined(options), warnByProcess);
  const { options: complete, faults } = checked(value);
  if (complete && faults.length === 0) return complete;
  throw new ConfigError(
    "the configuration",
    faults.map(({ path, message }) => ({ path: pathText(path), message })),
  );
}

/** Returns the faults that zod found. That of an unknown setting is at the setting, not at its section. */
function issuesOf(error: z.ZodError): readonly PathFault[] {
  return error.issues.flatMap((issue): readonly PathFault[] => {
    if (issue.code !== "unrecognized_keys") return [issue];
    const schema = configJsonSchema() as SettingSchema;
    return issue.keys.map((key) => ({
      path: [...issue.path, key],
      message: unknownSettingMessage(schema, issue.path, key),
    }));
  });
}

/** Replaces `file` of a head's version by the text of that file. */
function withHeadFiles(
  root: unknown,
  readText: ReadText,
  report: (fault: PathFault) => void,
): unknown {
  if (!isRecord(root) || !Array.isArray(root["models"])) return root;
  const models = root["models"].map((model: unknown, index) => {
    const head = isRecord(model) ? model["head"] : undefined;
    if (!isRecord(model) || !isRecord(head) || !Array.isArray(head["versions"])) return model;
    const versions = head["versions"].map((entry: unknown, at) => {
      if (!isRecord(entry) || typeof entry["file"] !== "string") return entry;
      const { file, ...rest } = entry;
      try {
        return { ...rest, document: readText(entry["file"]) };
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        const path = ["models", index, "head", "versions", at, "file"];
        report({ path, message: `cannot read ${file}: ${reason}` });
        return { ...rest, document: "unreadable" };
      }
    });
    return { ...model, head: { ...head, versions } };
  });
  return { ...root, models };
}

/** Replaces `labels: file.txt` of models and of their versions by the lines of that file. */
function withLabelFiles(
  root: unknown,
  readText: ReadText,
  report: (fault: PathFault) => void,
): unknown {
  const withLabels = (settings: unknown, path: readonly PropertyKey[]): unknown => {
    if (!isRecord(settings) || typeof settings["labels"] !== "string") return settings;
    const file = settings["labels"];
    if (isLabelListName(file)) return settings;
    try {
      return { ...settings, labels: labelsFromText(readText(file)) };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      report({ path: [...path, "labels"], message: `cannot read ${file}: ${reason}` });
      const { labels: _unreadable, ...rest } = settings;
      return rest;
    }
  };
  if (!isRecord(root) || !Array.isArray(root["models"])) return root;
  const models = root["models"].map((entry: unknown, index) => {
    const model = withLabels(entry, ["models", index]);
    if (!isRecord(model) || !Array.isArray(model["versions"])) return model;
    const versions = model["versions"].map((each: unknown, at) =>
      withLabels(each, ["models", index, "versions", at]),
    );
    return { ...model, versions };
  });
  return { ...root, models };
}

/** Returns the offset of the value at `path`, or of the nearest value around it. */
function offsetOf(root: unknown, path: readonly PropertyKey[]): number | undefined {
  const { isMap, isScalar, isSeq } = loadYaml();
  let node = root as Node | null;
  let offset = node?.range?.[0];
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === key);
      if (!pair) break;
      offset = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value as Node | null;
    } else if (isSeq(node)) {
      node = node.items[Number(key)] as Node | null;
      offset = node?.range?.[0] ?? offset;
    } else break;
  }
  return offset;
}

function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((key, index) =>
      typeof key === "number" ? `[${key}]` : `${index === 0 ? "" : "."}${String(key)}`,
    )
    .join("");
}

function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined);
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, each]) => each !== undefined)
      .map(([key, each]) => [key, withoutUndefined(each)]),
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Resolves relative paths in a configuration against its folder. */
function withPathsFrom(folder: string, options: GatewayOptions): GatewayOptions {
  const { listen, pools } = options;
  const names = ["ca", "cert", "key", "clientCa", "file"];
  const resolved = <Settings extends object>(settings: Settings): Settings =>
    Object.fromEntries(
      Object.entries(settings).map(([name, value]) => [
        name,
        names.includes(name) && typeof value === "string" ? resolve(folder, value) : value,
      ]),
    ) as Settings;
  return {
    ...options,
    ...(options.rollouts && { rollouts: resolved(options.rollouts) }),
    ...(options.sharing && {
      sharing: {
        ...options.sharing,
        secret: resolved(options.sharing.secret),
        lease: resolved(options.sharing.lease),
      },
    }),
    ...(listen && { listen: { ...listen, ...(listen.tls && { tls: resolved(listen.tls) }) } }),
    ...(options.models && {
      models: options.models.map(({ golden, ...model }) =>
        golden
          ? { ...model, golden: { ...golden, pictures: golden.pictures.map(resolved) } }
          : model,
      ),
    }),
    pools: pools.map((pool) => ({
      ...pool,
      ...(pool.tls && { tls: resolved(pool.tls) }),
      ...(pool.key && { key: resolved(pool.key) }),
    })),
  };
}
