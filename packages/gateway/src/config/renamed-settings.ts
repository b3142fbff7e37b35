/** A setting of every entry of a list that had another name. */
interface RenamedSetting {
  readonly list: "models" | "pools" | "keys";
  readonly from: string;
  readonly to: string;
}

const renamedSettings: readonly RenamedSetting[] = [
  { list: "models", from: "repeatable", to: "idempotent" },
];

/** Takes one line about a setting that is accepted under its old name. */
export type WarnOfSetting = (message: string) => void;

/** A warning of the process: Node writes it to stderr unless it is told to do something else with it. */
export const warnByProcess: WarnOfSetting = (message) =>
  process.emitWarning(message, { code: "TENSORGATE_RENAMED_SETTING" });

/**
 * Replaces old names of settings by those that they have now, with a warning for each. Where both are given the old one
 * stays, and is an unknown setting.
 */
export function withCurrentNames(root: unknown, warn: WarnOfSetting): unknown {
  return renamedSettings.reduce(
    (options, renamed) => withCurrentName(options, renamed, warn),
    root,
  );
}

function withCurrentName(
  root: unknown,
  { list, from, to }: RenamedSetting,
  warn: WarnOfSetting,
): unknown {
  if (!isRecord(root)) return root;
  const entries = root[list];
  if (!Array.isArray(entries)) return root;
  const renamed = entries.map((entry: unknown, index) => {
    if (!isRecord(entry) || !(from in entry) || to in entry) return entry;
    const { [from]: value, ...others } = entry;
    warn(`${list}[${index}].${from} is called ${to} now: rename it`);
    return { ...others, [to]: value };
  });
  return { ...root, [list]: renamed };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
