import { doubleText } from "./double-text.ts";
import { JsonDocument } from "./json-document.ts";
import { jsonKind } from "./json-nodes.ts";
import { integerFrom } from "./json-number-text.ts";
import { JsonWriter } from "./json-writer.ts";
import { originalDouble } from "./original-double.ts";

/** The original writes nothing more of a value once its text has so many bytes. */
const maxBytes = 256;

/** Of a string as it stands in the text; the original quotes all of it, be it a picture. */
const maxStringBytes = 1_024;

/** The original's names of the kinds, in their order. */
const kindNames = ["Null", "False", "True", "Object", "Array", "String", "Number", "Array"];

const words = ["null", "false", "true"];

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** The kind of a value, as errors name it. */
export function kindName(document: JsonDocument, node: number): string {
  return kindNames[document.kind(node)] ?? "";
}

/** A value as errors quote it: written in the original's layout, and cut where it is long. */
export function jsonText(document: JsonDocument, node: number): string {
  const writer = new JsonWriter();
  writer.isOnOneLine = true;
  for (const step of steps(document, node, writer)) {
    if (step === unwritable || writer.byteLength >= maxBytes) break;
    step();
  }
  return utf8.decode(writer.take());
}

/** The step at which the original's writer ends, since it has no text for NaN and infinities. */
const unwritable = () => {};

/** What there is to write of a value, piece by piece. */
function* steps(document: JsonDocument, node: number, writer: JsonWriter): Generator<() => void> {
  /** Open containers, innermost last: how many nodes are left in each. */
  const open: { left: number; readonly isObject: boolean }[] = [];
  for (let at = node; ; at += 1) {
    const kind = document.kind(at);
    if (kind === jsonKind.object) {
      yield () => writer.startObject();
      open.push({ left: 2 * document.count(at), isObject: true });
    } else if (kind === jsonKind.array) {
      yield () => writer.startArray();
      open.push({ left: document.count(at), isObject: false });
    } else if (kind === jsonKind.string) {
      yield () => writer.string(document.string(at, maxStringBytes));
    } else if (kind === jsonKind.numbers && document.shape(at).length > 1) {
      const text = document.bytes.subarray(document.start(at), document.end(at));
      yield* steps(new JsonDocument(text, undefined, false), 0, writer);
    } else if (kind === jsonKind.number || kind === jsonKind.numbers) {
      if (kind === jsonKind.numbers) yield () => writer.startArray();
      for (const text of document.numberTexts(at)) {
        const written = numberText(text);
        yield () => writer.raw(written);
        if (written === "") yield unwritable;
      }
      if (kind === jsonKind.numbers) yield () => writer.endArray();
    } else yield () => writer.raw(words[kind] ?? "");

    let last = open.at(-1);
    for (; last?.left === 0; last = open.at(-1)) {
      yield last.isObject ? () => writer.endObject() : () => writer.endArray();
      open.pop();
    }
    if (!last) return;
    last.left -= 1;
  }
}

/** A number as errors quote it, from its text; empty for NaN and infinities. */
export function numberText(text: string): string {
  const integer = integerFrom(text);
  if (integer !== undefined) return integer.toString();
  const value = isWord(text) ? Number.NaN : originalDouble(text);
  return value === undefined || !Number.isFinite(value) ? "" : doubleText(value);
}

const isWord = (text: string) => text.endsWith("N") || text.includes("n");
