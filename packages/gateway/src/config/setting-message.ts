import { counted, listedNames, meantName } from "@tensorgate/core";
import type { z } from "zod";

type Issue = z.core.$ZodRawIssue;
type IssueOf<Code extends Issue["code"]> = Extract<Issue, { readonly code: Code }>;

/** Returns the message for a value that a setting cannot have; undefined for that of the schema. */
export const settingMessage: z.core.$ZodErrorMap = (issue) => {
  const { input } = issue;
  switch (issue.code) {
    case "invalid_type":
      if (input === undefined) return `missing setting; expected ${issue.expected}`;
      return `expected ${typeNames[issue.expected] ?? issue.expected}, got ${typeof input === "number" ? input : typeName(input)}`;
    case "invalid_value":
      return noSuchValue(input, issue.values);
    case "too_big":
      return boundText("at most", issue.maximum, issue);
    case "too_small":
      return boundText("at least", issue.minimum, issue);
    case "invalid_union":
      return unionMessage(issue as IssueOf<"invalid_union">);
    default:
      return undefined;
  }
};

const typeNames: Readonly<Record<string, string>> = { int: "a whole number" };

function typeName(value: unknown): string {
  if (value === null) return "nothing";
  return Array.isArray(value) ? "array" : typeof value;
}

function boundText(
  bound: "at most" | "at least",
  limit: number | bigint,
  { origin, input, inclusive = true }: { origin: string; input?: unknown; inclusive?: boolean },
): string {
  if (origin === "string") return `must have ${bound} ${counted(Number(limit), "character")}`;
  if (origin === "array") return `must have ${bound} ${counted(Number(limit), "entry", "entries")}`;
  const words = inclusive ? bound : bound === "at most" ? "less than" : "more than";
  return `must be ${words} ${limit}, got ${input}`;
}

/** One of several forms of a section is chosen by a setting in it, or by the type of the value. */
function unionMessage(issue: IssueOf<"invalid_union">): string | undefined {
  const { input, errors = [] } = issue;
  const { discriminator, options } = issue as { discriminator?: string; options?: unknown[] };
  if (discriminator !== undefined && options) {
    const chosen = isRecord(input) ? input[discriminator] : undefined;
    return noSuchValue(
      chosen,
      options.filter((each) => each !== undefined),
    );
  }
  const firsts = errors.flatMap(([first]) => (first ? [first] : []));
  // The form whose outer type is that of the value is the one that was meant.
  const inner = firsts.find(({ path }) => path.length > 0);
  if (inner) return `${inner.message} at [${inner.path.join("].[")}]`;
  const types = firsts.flatMap((each) => (each.code === "invalid_type" ? [each.expected] : []));
  return types.length < firsts.length || types.length === 0
    ? firsts[0]?.message
    : `expected ${types.join(" or ")}, got ${typeName(input)}`;
}

function noSuchValue(written: unknown, values: readonly unknown[]): string | undefined {
  const names = values.map(String);
  const expected = `expected ${names.length > 1 ? "one of " : ""}${names.map((each) => `"${each}"`).join(", ")}`;
  if (written === undefined) return `missing setting; ${expected}`;
  const nearest = typeof written === "string" ? meantName(written, names) : undefined;
  return nearest === undefined ? expected : `did you mean "${nearest}"? ${expected}`;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A part of the JSON Schema of the configuration. */
export interface SettingSchema {
  readonly properties?: Readonly<Record<string, SettingSchema>>;
  readonly additionalProperties?: SettingSchema | boolean;
  readonly propertyNames?: { readonly enum?: readonly string[] };
  readonly items?: SettingSchema;
  readonly anyOf?: readonly SettingSchema[];
  readonly oneOf?: readonly SettingSchema[];
  readonly allOf?: readonly SettingSchema[];
}

/**
 * Writes the message for an unknown setting: with the nearest setting of its section, or else with all of them.
 *
 * @param schema - of the whole configuration
 * @param path - of the section
 */
export function unknownSettingMessage(
  schema: SettingSchema,
  path: readonly PropertyKey[],
  name: string,
): string {
  const sections = path.reduce(entriesOf, alternativesOf(schema));
  const names = new Set(
    sections.flatMap(({ properties = {}, propertyNames }) => [
      ...Object.keys(properties),
      ...(propertyNames?.enum ?? []),
    ]),
  );
  const nearest = meantName(name, [...names]);
  if (nearest !== undefined) return `unknown setting; did you mean \`${nearest}\`?`;
  return names.size === 0
    ? "unknown setting"
    : `unknown setting; settings here: ${listedNames(names)}`;
}

function entriesOf(sections: readonly SettingSchema[], key: PropertyKey): readonly SettingSchema[] {
  return sections.flatMap(({ properties, additionalProperties, items }) => {
    const entry =
      typeof key === "number" ? items : (properties?.[String(key)] ?? additionalProperties);
    return typeof entry === "object" ? alternativesOf(entry) : [];
  });
}

function alternativesOf(schema: SettingSchema): readonly SettingSchema[] {
  const { anyOf = [], oneOf = [], allOf = [] } = schema;
  return [schema, ...[...anyOf, ...oneOf, ...allOf].flatMap(alternativesOf)];
}
