import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { between, nestOf, type Piece, piece, type Site } from "./body.ts";

/** What can stand in an array; the last comma is the wrap's to end. */
const elements: readonly Piece[] = [
  "{},",
  "[],",
  '"",',
  "0,",
  "null,",
  '{"b64":""},',
  '{"b64":"QUJD"},',
  '{"@@@@@@":0},',
  '"@@@@@@",',
  "1e9,",
  "-0.1e-7,",
  " 0,",
].map((value) => piece(value));

const members: readonly Piece[] = [
  '"@@@@@@":0,',
  '"@@@@@@":{},',
  '"@@@@@@":[],',
  '"@@@@@@":"",',
  '"k":0,',
  '"k":{},',
  '"":null,',
  '"__proto_":0,',
  '"\\u0041":0,',
].map((value) => piece(value));

const textPieces: readonly Piece[] = [
  "A",
  "AAAA",
  "\\n",
  "\\\\",
  "\\u0041",
  "\\ud83d",
  "=",
  "-",
  "_",
  " ",
  "\u00c3\u00a9",
  "\u00ff",
].map((value) => piece(value));

const spacePieces: readonly Piece[] = [" ", "\n", "\t", "\r\n"].map((value) => piece(value));
export const digitPieces: readonly Piece[] = ["1", "0", "9", ".", "e1", "-"].map((value) =>
  piece(value),
);

const numberPieces: readonly Piece[] = [
  ",1",
  ",0.5",
  ",1e-7",
  ",NaN",
  ",-0",
  ",12345678901234567890",
  " ,1",
].map((value) => piece(value));
const rowPieces: readonly Piece[] = [",[1]", ",[]", ",[1,2]", ",[[1]]", ",[true]", ',[""]'].map(
  (value) => piece(value),
);

const nests = [
  nestOf("[", "]", "0"),
  nestOf('{"a":', "}", "0"),
  nestOf("[{},", "0]", "0"),
  nestOf("[", ""),
];

export const arrayAt = (name: string, before: string, after: string): Site => ({
  name: `${name} elements`,
  pieces: elements,
  nests,
  wrap: between(`${before}[`, `0]${after}`),
});
export const objectAt = (name: string, before: string, after: string): Site => ({
  name: `${name} members`,
  pieces: members,
  nests,
  wrap: between(`${before}{`, `"z":0}${after}`),
});
export const textAt = (name: string, before: string, after: string): Site => ({
  name: `${name} text`,
  pieces: textPieces,
  wrap: between(`${before}"`, `"${after}`),
});

/** The body itself, whatever it should hold. */
export function bodySites(): readonly Site[] {
  return [
    arrayAt("body", "", ""),
    objectAt("body", "", ""),
    textAt("body", "", ""),
    { name: "body number", pieces: digitPieces, wrap: between("1") },
    { name: "space before", pieces: spacePieces, wrap: between("", "{}") },
    { name: "space within", pieces: spacePieces, wrap: between("{", "}") },
    { name: "unknown text", pieces: textPieces, wrap: between('{"unknown":"', '"}') },
    { name: "key", pieces: textPieces, wrap: between('{"', '":0}') },
    arrayAt("unknown", '{"unknown":', "}"),
    objectAt("unknown", '{"unknown":', "}"),
  ];
}

/** The JSON of our own REST API. */
export function pictureJsonSites(): readonly Site[] {
  return [
    ...bodySites(),
    arrayAt("images", '{"images":', "}"),
    objectAt("image", '{"image":', "}"),
    textAt("b64", '{"image":{"b64":', "}}"),
    textAt("images b64", '{"images":[{"b64":', "}]}"),
    textAt("id", '{"images":[{"b64":"QUJD","id":', "}]}"),
    objectAt("images[0]", '{"images":[', "]}"),
  ];
}

/** The JSON of TensorFlow Serving's REST API. */
export function servingJsonSites(): readonly Site[] {
  return [
    ...bodySites(),
    arrayAt("instances", '{"instances":', "}"),
    objectAt("instances[0]", '{"instances":[', "]}"),
    arrayAt("instances[0]", '{"instances":[', "]}"),
    textAt("instances[0]", '{"instances":[', "]}"),
    textAt("b64", '{"instances":[{"b64":', "}]}"),
    arrayAt("inputs", '{"inputs":', "}"),
    { name: "instances number", pieces: digitPieces, wrap: between('{"instances":[1', "]}") },
    { name: "numbers", pieces: numberPieces, wrap: between('{"instances":[0', "]}") },
    { name: "rows", pieces: rowPieces, wrap: between('{"instances":[[0]', "]}") },
  ];
}

/** Deepest message that gets its own sites. */
const maxDepth = 3;

/** JSON by a protobuf schema. */
export function protobufJsonSites(schema: DescMessage, preamble: string): readonly Site[] {
  return [
    ...bodySites(),
    ...messageSites(schema, { path: schema.name, before: `{${preamble}`, after: "}", depth: 0 }),
  ];
}

interface Place {
  readonly path: string;
  readonly before: string;
  readonly after: string;
  readonly depth: number;
}

function messageSites(schema: DescMessage, place: Place): readonly Site[] {
  return schema.fields.flatMap((field) => fieldSites(field, place));
}

function fieldSites(field: DescField, { path, before, after, depth }: Place): readonly Site[] {
  const name = `${path}.${field.jsonName}`;
  const start = `${before}"${field.jsonName}":`;
  const inner = "message" in field ? field.message : undefined;
  const deeper = (from: string, to: string) =>
    inner && depth < maxDepth
      ? messageSites(inner, { path: name, before: from, after: to, depth: depth + 1 })
      : [];
  switch (field.fieldKind) {
    case "list":
      return [arrayAt(name, start, after), ...deeper(`${start}[{`, `}]${after}`)];
    case "map":
      return [objectAt(name, start, after), ...deeper(`${start}{"k":{`, `}}${after}`)];
    case "message":
      return [objectAt(name, start, after), ...deeper(`${start}{`, `}${after}`)];
    default:
      return [
        textAt(name, start, after),
        { name: `${name} number`, pieces: digitPieces, wrap: between(`${start}1`, after) },
      ];
  }
}
