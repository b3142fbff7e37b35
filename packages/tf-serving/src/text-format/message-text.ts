import {
  type DescField,
  type DescMessage,
  type MessageShape,
  ScalarType,
} from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";

/** Writes a message in protocol buffers' text format, as its `DebugString` does: fields by number, maps by key. */
export function messageText<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
): string {
  return linesOf(reflect(schema, message))
    .map((line) => `${line}\n`)
    .join("");
}

function linesOf(message: ReflectMessage): readonly string[] {
  return message.sortedFields
    .filter((field) => message.isSet(field))
    .flatMap((field) => fieldLines(message, field));
}

function fieldLines(message: ReflectMessage, field: DescField): readonly string[] {
  const { name } = field;
  switch (field.fieldKind) {
    case "map":
      return [...message.get(field)]
        .toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1))
        .flatMap(([key, value]) => [
          `${name} {`,
          `  key: ${scalarText(field.mapKey, key)}`,
          ...valueLines("value", field, value).map((line) => `  ${line}`),
          "}",
        ]);
    case "list":
      return [...message.get(field)].flatMap((value) => valueLines(name, field, value));
    default:
      return valueLines(name, field, message.get(field));
  }
}

function valueLines(name: string, field: DescField, value: unknown): readonly string[] {
  if (field.message) {
    const inner = linesOf(value as ReflectMessage).map((line) => `  ${line}`);
    return [`${name} {`, ...inner, "}"];
  }
  if (field.enum) return [`${name}: ${field.enum.value[value as number]?.name ?? value}`];
  return [`${name}: ${scalarText(field.scalar, value)}`];
}

function scalarText(type: ScalarType | undefined, value: unknown): string {
  if (type === ScalarType.STRING) return quoted(new TextEncoder().encode(value as string));
  if (type === ScalarType.BYTES) return quoted(value as Uint8Array);
  return String(value);
}

/** Printable ASCII as it is, everything else by its octal number. */
function quoted(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    const letter = String.fromCharCode(byte);
    if (letter === '"' || letter === "'" || letter === "\\") text += `\\${letter}`;
    else if (letter === "\n") text += "\\n";
    else if (byte >= 0x20 && byte < 0x7f) text += letter;
    else text += `\\${byte.toString(8).padStart(3, "0")}`;
  }
  return `"${text}"`;
}
