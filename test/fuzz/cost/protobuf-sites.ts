import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import type { Nest, Piece, Site } from "./body.ts";

/** Deepest message that gets its own sites, and how many messages do. */
const maxDepth = 4;
const maxMessages = 16;

/** Where a message can be grown: everything that a schema allows, and what it does not know. */
export interface MessagePlace {
  readonly schema: DescMessage;
  readonly path: string;
  readonly wrap: (content: Buffer) => Buffer;
  readonly depth: number;
}

/**
 * Every place in a message of `schema` where fields can be repeated, packed, left empty, nested or made up.
 *
 * @param preamble - fields of the message that come first, so that it means something
 * @param inside - content of `Any` by the path of its `value`
 */
export function protobufSites(
  schema: DescMessage,
  preamble: Uint8Array = new Uint8Array(),
): readonly Site[] {
  const root: MessagePlace = {
    schema,
    path: schema.name,
    wrap: (content) => Buffer.concat([preamble, content]),
    depth: 0,
  };
  const places = placesFrom(root);
  return places.flatMap((place) => [messageSite(place), ...fieldSites(place)]);
}

function placesFrom(root: MessagePlace): readonly MessagePlace[] {
  const found: MessagePlace[] = [root];
  for (let next = 0; next < found.length && found.length < maxMessages; next += 1) {
    const place = found[next] as MessagePlace;
    if (place.depth >= maxDepth) continue;
    for (const field of place.schema.fields) {
      const inner = messageOf(field);
      if (!inner) continue;
      found.push({
        schema: inner,
        path: `${place.path}.${field.name}`,
        depth: place.depth + 1,
        wrap: (content) => place.wrap(holding(field, content)),
      });
    }
  }
  return found;
}

function messageOf(field: DescField): DescMessage | undefined {
  return field.fieldKind === "message" || field.fieldKind === "list" || field.fieldKind === "map"
    ? field.message
    : undefined;
}

/** A field that holds a message, be it the value of a map's entry. */
function holding(field: DescField, content: Buffer): Buffer {
  if (field.fieldKind !== "map") return delimited(field.number, content);
  return delimited(
    field.number,
    Buffer.concat([delimited(1, Buffer.from("k")), delimited(2, content)]),
  );
}

function messageSite({ schema, path, wrap }: MessagePlace): Site {
  return {
    name: path,
    wrap,
    pieces: [...schema.fields.flatMap(piecesOf), ...unknownPieces],
    nests: [groups, ...schema.fields.flatMap((field) => selfNests(schema, field))],
  };
}

/** What every reader of protobuf must skip: fields that no schema knows, of each wire type. */
const unknownPieces: readonly Piece[] = [
  { name: "unknown varint", bytes: Buffer.from("7800", "hex") },
  { name: "unknown long varint", bytes: Buffer.from("78ffffffffffffffffff01", "hex") },
  { name: "unknown empty", bytes: Buffer.from("7a00", "hex") },
  { name: "unknown byte", bytes: Buffer.from("7a0100", "hex") },
  { name: "unknown group", bytes: Buffer.from("7b7c", "hex") },
  { name: "unknown fixed32", bytes: Buffer.from("7d00000000", "hex") },
  { name: "unknown fixed64", bytes: Buffer.from("790000000000000000", "hex") },
  { name: "highest field", bytes: Buffer.from("f8ffffff0f00", "hex") },
];

const groups: Nest = {
  name: "unknown groups",
  build: (length) => {
    const depth = Math.max(1, Math.floor(length / 2));
    return Buffer.concat([Buffer.alloc(depth, 0x7b), Buffer.alloc(depth, 0x7c)]);
  },
};

/** A message in itself, by whatever fields lead back to it. */
function selfNests(schema: DescMessage, field: DescField): readonly Nest[] {
  const inner = messageOf(field);
  if (!inner || field.fieldKind === "map") return [];
  if (inner.typeName === schema.typeName) return [nestBy([field.number], field.name)];
  return inner.fields
    .filter((each) => each.fieldKind !== "map" && messageOf(each)?.typeName === schema.typeName)
    .map((each) => nestBy([each.number, field.number], `${field.name}.${each.name}`));
}

/** @param numbers - of the fields, the innermost first */
function nestBy(numbers: readonly number[], name: string): Nest {
  return {
    name,
    build: (length) => {
      const heads: Buffer[] = [];
      let total = 0;
      for (let level = 0; total < length; level += 1) {
        const head = delimitedHead(numbers[level % numbers.length] as number, total);
        heads.push(head);
        total += head.length;
      }
      return Buffer.concat(heads.reverse());
    },
  };
}

/** Sites within a field: the values of a packed list, the text of a string, the bytes of a bytes field. */
function fieldSites({ schema, path, wrap }: MessagePlace): readonly Site[] {
  return schema.fields.flatMap((field) => {
    const within = (pieces: readonly Piece[], what: string): Site => ({
      name: `${path}.${field.name} (${what})`,
      pieces,
      wrap: (content) => wrap(delimited(field.number, content)),
    });
    if (field.fieldKind === "list" && isPackable(field)) {
      return [within(valuesOf(field), "packed")];
    }
    if (field.fieldKind === "scalar" && field.scalar === ScalarType.STRING) {
      return [within(textPieces, "text")];
    }
    return [];
  });
}

const textPieces: readonly Piece[] = [
  { name: "a", bytes: Buffer.from("a") },
  { name: "é", bytes: Buffer.from("é") },
  { name: "\u{1f600}", bytes: Buffer.from("\u{1f600}") },
  { name: "no UTF-8", bytes: Buffer.from("ff", "hex") },
  { name: "control", bytes: Buffer.of(1) },
];

function isPackable(field: DescField & { fieldKind: "list" }): boolean {
  if (field.listKind === "enum") return true;
  return (
    field.listKind === "scalar" &&
    field.scalar !== ScalarType.STRING &&
    field.scalar !== ScalarType.BYTES
  );
}

/** Fields of a kind, each once: empty, short, and with the values that are dear. */
function piecesOf(field: DescField): readonly Piece[] {
  const named = (what: string, bytes: Buffer): Piece => ({ name: `${field.name} ${what}`, bytes });
  if (field.fieldKind === "map") {
    const value =
      field.mapKind === "message" ? delimited(2, Buffer.alloc(0)) : Buffer.from("1200", "hex");
    return [
      named("empty entry", delimited(field.number, Buffer.alloc(0))),
      named(
        "same key",
        delimited(field.number, Buffer.concat([delimited(1, Buffer.from("k")), value])),
      ),
      named("new key", delimited(field.number, delimited(1, Buffer.from("@@@@@@")))),
    ];
  }
  const isText =
    "scalar" in field && (field.scalar === ScalarType.STRING || field.scalar === ScalarType.BYTES);
  if (messageOf(field) || isText) {
    return [
      named("empty", delimited(field.number, Buffer.alloc(0))),
      named(
        "byte",
        delimited(
          field.number,
          isText ? Buffer.from("a") : Buffer.from("7800", "hex").subarray(0, 0),
        ),
      ),
      named(
        "new",
        delimited(field.number, isText ? Buffer.from("@@@@@@") : Buffer.from("7800", "hex")),
      ),
    ];
  }
  return valuesOf(field).map(({ name, bytes }) =>
    named(name, Buffer.concat([varint(field.number * 8 + wireTypeOf(field)), bytes])),
  );
}

function wireTypeOf(field: DescField): number {
  const width = fixedWidth(field);
  return width === 8 ? 1 : width === 4 ? 5 : 0;
}

function fixedWidth(field: DescField): number {
  switch ("scalar" in field ? field.scalar : undefined) {
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return 8;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return 4;
    default:
      return 0;
  }
}

function valuesOf(field: DescField): readonly Piece[] {
  const width = fixedWidth(field);
  if (width > 0) {
    return [
      { name: "zero", bytes: Buffer.alloc(width) },
      { name: "NaN", bytes: Buffer.alloc(width, 0xff) },
    ];
  }
  return [
    { name: "zero", bytes: Buffer.of(0) },
    { name: "one", bytes: Buffer.of(1) },
    { name: "large", bytes: varint(2 ** 31 - 1) },
    { name: "minus one", bytes: Buffer.from("ffffffffffffffffff01", "hex") },
  ];
}

export function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) + 128);
  return Buffer.from([...bytes, left]);
}

const delimitedHead = (number: number, length: number): Buffer =>
  Buffer.concat([varint(number * 8 + 2), varint(length)]);

export const delimited = (number: number, content: Uint8Array): Buffer =>
  Buffer.concat([delimitedHead(number, content.byteLength), content]);
