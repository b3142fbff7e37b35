/** A renamed setting of a section, or of every entry of a section that is a list. */
interface RenamedSetting {
  readonly section: "models" | "pools" | "keys" | "pictures" | "routing";
  readonly from: string;
  readonly to: string;
}

const renamedSettings: readonly RenamedSetting[] = [
  { section: "models", from: "repeatable", to: "idempotent" },
  { section: "pictures", from: "alsoFormats", to: "additionalFormats" },
  { section: "routing", from: "returningMs", to: "halfOpenMs" },
];

/** Reports a setting that is accepted under its old name. */
export type WarnOfSetting = (message: string) => void;

/** Emits a warning of the process, which Node writes to stderr by default. */
export const warnByProcess: WarnOfSetting = (message) =>
  process.emitWarning(message, { code: "TENSORGATE_RENAMED_SETTING" });

/**
 * Replaces old names of settings by the current ones, with a warning for each. If both are given, the old one stays, and
 * is an unknown setting.
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
