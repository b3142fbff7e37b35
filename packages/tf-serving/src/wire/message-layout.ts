import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { wireType } from "@tensorgate/core";

/** How the value of a known field stands in the bytes. */
export interface FieldLayout {
  readonly wireType: number;
  /** Bytes of each value where the field may come packed. */
  readonly packed?: number | "varint";
  readonly isText?: boolean;
  /** Whether entries of a map are found by it. */
  readonly isKey?: boolean;
  /** The message that a value is. */
  readonly nested?: MessageLayout;
}

/** The known fields of a message by their number. */
export type MessageLayout = ReadonlyMap<number, FieldLayout>;

const layouts = new WeakMap<DescMessage, MessageLayout>();

export function fieldLayoutsOf(schema: DescMessage): MessageLayout {
  const known = layouts.get(schema);
  if (known) return known;
  const layout = new Map<number, FieldLayout>();
  // Before its fields, which may be messages of the same type.
  layouts.set(schema, layout);
  for (const field of schema.fields) layout.set(field.number, layoutOf(field));
  return layout;
}

function layoutOf(field: DescField): FieldLayout {
  switch (field.fieldKind) {
    case "map":
      return mapLayout(field);
    case "list":
      return packable(valueLayout(field));
    default:
      return valueLayout(field);
  }
}

/** An entry of a map is a message of a key (1) and a value (2). */
function mapLayout(field: DescField & { fieldKind: "map" }): FieldLayout {
  const entry: MessageLayout = new Map([
    [1, { ...scalarLayout(field.mapKey), isKey: true }],
    [2, valueLayout(field)],
  ]);
  return { wireType: wireType.lengthDelimited, nested: entry };
}

function valueLayout(field: Pick<DescField, "message" | "scalar" | "enum">): FieldLayout {
  const { message, scalar } = field;
  if (message) {
    return { wireType: wireType.lengthDelimited, nested: fieldLayoutsOf(message) };
  }
  return scalar === undefined ? { wireType: wireType.varint } : scalarLayout(scalar);
}

function packable(layout: FieldLayout): FieldLayout {
  switch (layout.wireType) {
    case wireType.varint:
      return { ...layout, packed: "varint" };
    case wireType.fixed32:
      return { ...layout, packed: 4 };
    case wireType.fixed64:
      return { ...layout, packed: 8 };
    default:
      return layout;
  }
}

function scalarLayout(scalar: ScalarType): FieldLayout {
  switch (scalar) {
    case ScalarType.STRING:
      return { wireType: wireType.lengthDelimited, isText: true };
    case ScalarType.BYTES:
      return { wireType: wireType.lengthDelimited };
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return { wireType: wireType.fixed64 };
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return { wireType: wireType.fixed32 };
    default:
      return { wireType: wireType.varint };
  }
}
