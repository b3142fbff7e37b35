import type { WorkBudget } from "@tensorgate/core";
import { JsonParseError } from "./json-fault.ts";
import { type JsonKind, jsonKind, NodeTable } from "./json-nodes.ts";
import { NumberReader } from "./json-number.ts";
import { numberEnd, numberTextAt } from "./json-number-text.ts";
import { JsonParser } from "./json-parser.ts";
import { ShapeTable } from "./json-shapes.ts";
import { unescaped } from "./json-string.ts";

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * JSON as TensorFlow Serving's parser reads it: NaN, Infinity and Inf are numbers, whatever follows the first value is
 * ignored, any depth is allowed, text need not be UTF-8, and of members of one name the first counts. The number 1 is an
 * integer and 1.0 is none; integers are exact to 64 bits.
 *
 * Nodes are numbered in the order of the text, from 0, the root; within an object names and values take turns.
 */
export class JsonDocument {
  readonly bytes: Uint8Array;
  readonly #reader: NumberReader;
  readonly #nodes: NodeTable;
  readonly #shapes = new ShapeTable();

  /**
   * @param budget - charged one element for each node
   * @param isFolded - whether regular arrays of arrays of numbers become one node
   * @throws JsonParseError in the words of the original; TooLargeError where the budget ends
   */
  constructor(bytes: Uint8Array, budget?: WorkBudget, isFolded = true) {
    this.bytes = bytes;
    this.#reader = new NumberReader(bytes);
    this.#nodes = new NodeTable(budget);
    if (bytes.byteLength === 0) throw new JsonParseError("document-empty");
    const deps = { nodes: this.#nodes, shapes: this.#shapes, reader: this.#reader, isFolded };
    new JsonParser(bytes, deps).parse();
  }

  kind(node: number): JsonKind {
    return this.#nodes.kinds[node] as JsonKind;
  }

  /** Members of an object, elements of an array. */
  count(node: number): number {
    const count = this.#nodes.counts[node] as number;
    return this.#nodes.kinds[node] === jsonKind.numbers ? this.#shapes.extent(count) : count;
  }

  /** Extents of an array of numbers, outermost first. */
  shape(node: number): readonly number[] {
    return this.#shapes.extents(this.#nodes.counts[node] as number);
  }

  /** Flags of the numbers of a node. */
  flags(node: number): number {
    return this.#nodes.flags[node] as number;
  }

  /** The numbers of a node, as doubles. */
  numbers(node: number): Float64Array {
    const first = this.#nodes.links[node] as number;
    const count =
      this.kind(node) === jsonKind.number
        ? 1
        : this.shape(node).reduce((all, extent) => all * extent, 1);
    return this.#reader.values.subarray(first, first + count);
  }

  /** The node after `node` and all that is in it. */
  after(node: number): number {
    const kind = this.#nodes.kinds[node];
    return kind === jsonKind.object || kind === jsonKind.array
      ? (this.#nodes.links[node] as number)
      : node + 1;
  }

  /** Where a node begins, in bytes. */
  start(node: number): number {
    return this.#nodes.starts[node] as number;
  }

  /** Where a node ends. */
  end(node: number): number {
    return this.#nodes.ends[node] as number;
  }

  /** Value of the first member of that name; undefined where an object has none. */
  member(object: number, name: string): number | undefined {
    let node = object + 1;
    for (let left = this.count(object); left > 0; left -= 1) {
      if (this.#isNamed(node, name)) return node + 1;
      node = this.after(node + 1);
    }
    return undefined;
  }

  /** Whether a name is this one: byte for byte, unless an escape or a letter beyond ASCII needs its text. */
  #isNamed(node: number, name: string): boolean {
    const { bytes } = this;
    const start = this.start(node) + 1;
    const length = this.end(node) - 1 - start;
    for (let index = 0; index < length; index += 1) {
      const byte = bytes[start + index] as number;
      // No character takes more than six bytes as an escape.
      if (byte === 0x5c || byte >= 0x80)
        return length <= 6 * name.length && this.text(node) === name;
      if (byte !== name.charCodeAt(index)) return false;
    }
    return length === name.length;
  }

  /** Bytes of a string, with its escapes resolved; of `maxBytes` of its text, if there are more. */
  string(node: number, maxBytes: number = Number.POSITIVE_INFINITY): Uint8Array {
    const start = this.start(node) + 1;
    return unescaped(this.bytes.subarray(start, Math.min(this.end(node) - 1, start + maxBytes)));
  }

  /** The same as text; what is no UTF-8 is U+FFFD. */
  text(node: number): string {
    return utf8.decode(this.string(node));
  }

  /** The numbers of a node as they are written; for what needs more of them than their doubles. */
  *numberTexts(node: number): Generator<string> {
    const { bytes } = this;
    const end = this.end(node);
    for (let at = this.start(node); at < end; ) {
      if (mayBePassed(bytes[at] as number)) {
        at += 1;
        continue;
      }
      const next = numberEnd(bytes, at);
      yield numberTextAt(bytes, at, next);
      at = next;
    }
  }
}

/** Blanks, commas and brackets, between the numbers of an array. */
const mayBePassed = (byte: number) =>
  byte <= 0x20 || byte === 0x2c || byte === 0x5b || byte === 0x5d;
