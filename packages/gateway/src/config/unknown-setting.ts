import { listedNames, meantName } from "@tensorgate/core";

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
