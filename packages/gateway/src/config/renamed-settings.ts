/** A setting of a section, or of every entry where that is a list, that had another name. */
interface RenamedSetting {
  readonly section: "models" | "pools" | "keys" | "pictures";
  readonly from: string;
  readonly to: string;
}

const renamedSettings: readonly RenamedSetting[] = [
  { section: "models", from: "repeatable", to: "idempotent" },
  { section: "pictures", from: "alsoFormats", to: "additionalFormats" },
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
  { section, from, to }: RenamedSetting,
  warn: WarnOfSetting,
): unknown {
  if (!isRecord(root)) return root;
  const renamed = (entry: unknown, path: string): unknown => {
    if (!isRecord(entry) || !(from in entry) || to in entry) return entry;
    const { [from]: value, ...others } = entry;
    warn(`${path}.${from} is called ${to} now: rename it`);
    return { ...others, [to]: value };
  };
  const found = root[section];
  if (isRecord(found)) return { ...root, [section]: renamed(found, section) };
  if (!Array.isArray(found)) return root;
  return {
    ...root,
    [section]: found.map((entry: unknown, index) => renamed(entry, `${section}[${index}]`)),
  };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
