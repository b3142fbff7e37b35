import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import type { WorkBudget } from "@tensorgate/core";
import { MalformedMessageError } from "./malformed-message-error.ts";
import { MessageReader, wireType } from "./message-reader.ts";

/** Deepest nesting of messages that is looked into: protobuf-es reads no deeper either. */
const maxDepth = 100;

/**
 * Charges `budget` with every element that parsing `bytes` as a `schema` would build, without building any: each field,
 * known or unknown, each entry of a list or map and each value of a packed field, in nested messages too.
 * Takes one step per element, whatever the length of the bytes, and stops at the first one over the budget.
 *
 * @throws TooLargeError if the message has more elements than the budget
 * @throws MalformedMessageError if the bytes are not a well-formed message, or nest deeper than 100 messages
 */
export function chargeMessage(schema: DescMessage, bytes: Uint8Array, budget: WorkBudget): void {
  chargeFields(schema, bytes, { budget, depth: 1 });
}

interface Scan {
  readonly budget: WorkBudget;
  readonly depth: number;
}

function chargeFields(schema: DescMessage, bytes: Uint8Array, { budget, depth }: Scan): void {
  if (depth > maxDepth) throw new MalformedMessageError(`nested deeper than ${maxDepth} messages`);
  const fields = fieldsOf(schema);
  const reader = new MessageReader(bytes);
  while (reader.next()) {
    budget.spend();
    const field = fields.get(reader.fieldNumber);
    if (reader.wireType !== wireType.lengthDelimited || field === undefined) {
      reader.skip();
      continue;
    }
    const content = reader.bytes();
    const nested = nestedOf(field);
    if (nested) chargeFields(nested, content, { budget, depth: depth + 1 });
    else if (field.fieldKind === "map") chargeMapEntry(field, content, { budget, depth });
    else chargePacked(field, content, budget);
  }
}

const fieldsBySchema = new WeakMap<DescMessage, ReadonlyMap<number, DescField>>();

function fieldsOf(schema: DescMessage): ReadonlyMap<number, DescField> {
  let fields = fieldsBySchema.get(schema);
  if (!fields) {
    fields = new Map(schema.fields.map((field) => [field.number, field]));
    fieldsBySchema.set(schema, fields);
  }
  return fields;
}

/** The message that a field, or each entry of a list, holds. */
function nestedOf(field: DescField): DescMessage | undefined {
  if (field.fieldKind === "message") return field.message;
  return field.fieldKind === "list" ? field.message : undefined;
}

const mapValueNumber = 2;

/** An entry of a map is a message of a key (1) and a value (2). */
function chargeMapEntry(
  field: DescField & { fieldKind: "map" },
  entry: Uint8Array,
  { budget, depth }: Scan,
): void {
  const reader = new MessageReader(entry);
  while (reader.next()) {
    budget.spend();
    const isMessage = field.message && reader.is(mapValueNumber, wireType.lengthDelimited);
    if (isMessage) chargeFields(field.message, reader.bytes(), { budget, depth: depth + 1 });
    else reader.skip();
  }
}

/** A length-delimited list of numbers holds as many elements as its bytes say; of a text or bytes there is just one. */
function chargePacked(field: DescField, content: Uint8Array, budget: WorkBudget): void {
  if (field.fieldKind !== "list") return;
  const size = packedSizeOf(field);
  if (size === "varint") {
    // The last byte of a varint is the one without its highest bit.
    for (const byte of content) if (byte < 0x80) budget.spend();
  } else if (size !== "not-packable") {
    budget.spend(Math.floor(content.byteLength / size));
  }
}

function packedSizeOf(
  field: DescField & { fieldKind: "list" },
): number | "varint" | "not-packable" {
  switch (field.scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return "not-packable";
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return 8;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return 4;
    default:
      return "varint";
  }
}
