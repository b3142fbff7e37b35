import type { WorkBudget } from "@tensorgate/core";
import { type JsonFault, JsonParseError } from "./json-fault.ts";
import { NumberReader, skipBlanks } from "./json-number.ts";
import { stringEnd, unescaped } from "./json-string.ts";

/**
 * What a node of a document is. `numbers` is a regular array of numbers, of any rank and with at least one: tensors are
 * mostly sent as such, and what is in it is no node of its own.
 */
export const jsonKind = {
  null: 0,
  false: 1,
  true: 2,
  object: 3,
  array: 4,
  string: 5,
  number: 6,
  numbers: 7,
} as const;

export type JsonKind = (typeof jsonKind)[keyof typeof jsonKind];

/** Where in the text the parser is, by what may come next. */
type State =
  | "start"
  | "done"
  | "first element"
  | "element"
  | "after element"
  | "first member"
  | "member"
  | "colon"
  | "value"
  | "after member";

/** What is wrong where something else comes. */
const faults: Readonly<Record<State, JsonFault>> = {
  start: "document-empty",
  done: "value-invalid",
  "first element": "value-invalid",
  element: "value-invalid",
  "after element": "array-not-continued",
  "first member": "name-missing",
  member: "name-missing",
  colon: "colon-missing",
  value: "value-invalid",
  "after member": "object-not-continued",
};

/** Of numbers, by the number of the shape: the extent of its outermost axis, and the shape of what is in it. */
interface Shape {
  readonly extent: number;
  readonly inner: number;
}

/** Number of the shape of a scalar. */
const scalar = 0;
/** Of an open array: it has no element yet, or elements that differ in their shape or are no numbers. */
const empty = -1;
const irregular = -2;

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
  readonly #budget: WorkBudget | undefined;
  #nodeCount = 0;
  #kinds = new Uint8Array(64);
  #flags = new Uint8Array(64);
  #starts = new Uint32Array(64);
  #ends = new Uint32Array(64);
  /** Of a container the node after it, of numbers the index of the first one. */
  #links = new Uint32Array(64);
  /** Of a container its values, of numbers the number of their shape. */
  #counts = new Uint32Array(64);
  readonly #shapes: Shape[] = [{ extent: 1, inner: scalar }];
  readonly #shapeNumbers = new Map<number, number>();
  /** Open containers, innermost last. */
  readonly #open: number[] = [];
  /** The shape that all elements of each of them have. */
  readonly #openShapes: number[] = [];
  readonly #isFolded: boolean;

  /**
   * @param budget - charged one element for each node
   * @param isFolded - whether regular arrays of arrays of numbers become one node
   * @throws JsonParseError in the words of the original; TooLargeError where the budget ends
   */
  constructor(bytes: Uint8Array, budget?: WorkBudget, isFolded = true) {
    this.#isFolded = isFolded;
    this.bytes = bytes;
    this.#budget = budget;
    this.#reader = new NumberReader(bytes);
    if (bytes.byteLength === 0) throw new JsonParseError("document-empty");
    this.#parse();
  }

  kind(node: number): JsonKind {
    return this.#kinds[node] as JsonKind;
  }

  /** Members of an object, elements of an array. */
  count(node: number): number {
    const count = this.#counts[node] as number;
    return this.#kinds[node] === jsonKind.numbers ? (this.#shapes[count] as Shape).extent : count;
  }

  /** Extents of an array of numbers, outermost first. */
  shape(node: number): readonly number[] {
    const extents: number[] = [];
    for (let number = this.#counts[node] as number; number !== scalar; ) {
      const { extent, inner } = this.#shapes[number] as Shape;
      extents.push(extent);
      number = inner;
    }
    return extents;
  }

  /** Flags of the numbers of a node. */
  flags(node: number): number {
    return this.#flags[node] as number;
  }

  /** The numbers of a node, as doubles. */
  numbers(node: number): Float64Array {
    const first = this.#links[node] as number;
    const count =
      this.kind(node) === jsonKind.number
        ? 1
        : this.shape(node).reduce((all, extent) => all * extent, 1);
    return this.#reader.values.subarray(first, first + count);
  }

  /** The node after `node` and all that is in it. */
  after(node: number): number {
    const kind = this.#kinds[node];
    return kind === jsonKind.object || kind === jsonKind.array
      ? (this.#links[node] as number)
      : node + 1;
  }

  /** Where a node begins, in bytes. */
  start(node: number): number {
    return this.#starts[node] as number;
  }

  /** Where a node ends. */
  end(node: number): number {
    return this.#ends[node] as number;
  }

  /** Value of the first member of that name; undefined where an object has none. */
  member(object: number, name: string): number | undefined {
    let node = object + 1;
    for (let left = this.count(object); left > 0; left -= 1) {
      if (this.text(node) === name) return node + 1;
      node = this.after(node + 1);
    }
    return undefined;
  }

  /** Bytes of a string, with its escapes resolved. */
  string(node: number): Uint8Array {
    return unescaped(this.bytes.subarray(this.start(node) + 1, this.end(node) - 1));
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
      const next = this.#reader.endOf(at);
      yield this.#reader.textAt(at, next);
      at = next;
    }
  }

  /** An iterative parser: how deep a stranger's text goes must not decide how deep the stack does. */
  #parse(): void {
    const { bytes } = this;
    let at = skipBlanks(bytes, afterMark(bytes));
    let state: State = "start";
    while (state !== "done") {
      const byte = bytes[at] ?? 0;
      if (byte === 0) throw new JsonParseError(faults[state], at);
      switch (state) {
        case "first member":
        case "member":
          if (byte === 0x22) {
            const end = stringEnd(bytes, at);
            this.#add(jsonKind.string, at, end);
            at = end;
            state = "colon";
          } else if (byte === 0x7d && state === "first member") {
            at += 1;
            state = this.#close(at);
          } else throw new JsonParseError(faults[state], at);
          break;
        case "colon":
          if (byte !== 0x3a) throw new JsonParseError(faults[state], at);
          at += 1;
          state = "value";
          break;
        case "after member":
        case "after element": {
          const isWithinObject: boolean = state === "after member";
          if (byte === 0x2c) state = isWithinObject ? "member" : "element";
          else if (byte === (isWithinObject ? 0x7d : 0x5d)) state = this.#close(at + 1);
          else throw new JsonParseError(faults[state], at);
          at += 1;
          break;
        }
        default:
          if (byte === 0x5d && state === "first element") {
            at += 1;
            state = this.#close(at);
          } else if (byte === 0x5d || byte === 0x7d || byte === 0x2c || byte === 0x3a) {
            throw new JsonParseError(faults[state], at);
          } else if (byte === 0x7b) {
            this.#enter(jsonKind.object, at);
            at += 1;
            state = "first member";
          } else if (byte === 0x5b) {
            const end = this.#addNumbers(at);
            if (end > at) {
              at = end;
              state = this.#stateAfterValue(this.#counts[this.#nodeCount - 1]);
            } else {
              this.#enter(jsonKind.array, at);
              at += 1;
              state = "first element";
            }
          } else {
            at = this.#addScalar(at, byte);
            state = this.#stateAfterValue();
          }
      }
      if ((bytes[at] as number) <= 0x20) at = skipBlanks(bytes, at);
    }
  }

  #enter(kind: JsonKind, at: number): void {
    this.#open.push(this.#add(kind, at, 0));
    this.#openShapes.push(kind === jsonKind.array && this.#isFolded ? empty : irregular);
  }

  #close(end: number): State {
    const node = this.#open.pop() as number;
    const inner = this.#openShapes.pop() as number;
    this.#ends[node] = end;
    if (inner < 0) {
      this.#links[node] = this.#nodeCount;
      return this.#stateAfterValue();
    }
    // Its elements stand behind it, and their numbers one after the other.
    let flags = 0;
    for (let each = node + 1; each < this.#nodeCount; each += 1) flags |= this.flags(each);
    this.#kinds[node] = jsonKind.numbers;
    this.#links[node] = this.#links[node + 1] as number;
    this.#counts[node] = this.#shapeNumber(this.#counts[node] as number, inner);
    this.#flags[node] = flags;
    this.#nodeCount = node + 1;
    return this.#stateAfterValue(this.#counts[node]);
  }

  #shapeNumber(extent: number, inner: number): number {
    const key = inner * 2 ** 32 + extent;
    const known = this.#shapeNumbers.get(key);
    if (known !== undefined) return known;
    this.#shapes.push({ extent, inner });
    this.#shapeNumbers.set(key, this.#shapes.length - 1);
    return this.#shapes.length - 1;
  }

  /**
   * Counts a value, and says what may come after it.
   *
   * @param shape - number of its shape, if it is an array of numbers
   */
  #stateAfterValue(shape = irregular): State {
    const last = this.#open.length - 1;
    if (last < 0) return "done";
    const container = this.#open[last] as number;
    this.#counts[container] = (this.#counts[container] as number) + 1;
    if (this.#kinds[container] === jsonKind.object) return "after member";
    const before = this.#openShapes[last] as number;
    if (before !== shape) this.#openShapes[last] = before === empty ? shape : irregular;
    return "after element";
  }

  #addScalar(at: number, byte: number): number {
    if (byte === 0x22) {
      const end = stringEnd(this.bytes, at);
      this.#add(jsonKind.string, at, end);
      return end;
    }
    if (byte === 0x74) return this.#addWord(jsonKind.true, at, "true");
    if (byte === 0x66) return this.#addWord(jsonKind.false, at, "false");
    if (byte === 0x6e) return this.#addWord(jsonKind.null, at, "null");
    const first = this.#reader.count;
    this.#reader.flags = 0;
    const end = this.#reader.read(at);
    this.#addNumberNode(jsonKind.number, [at, end], first);
    return end;
  }

  #addWord(kind: JsonKind, start: number, word: string): number {
    for (let index = 1; index < word.length; index += 1) {
      if (this.bytes[start + index] === word.charCodeAt(index)) continue;
      throw new JsonParseError("value-invalid", start + index);
    }
    this.#add(kind, start, start + word.length);
    return start + word.length;
  }

  /**
   * Reads an array that holds numbers only.
   *
   * @param start - where its bracket is
   * @returns where the text goes on; `start` where there is something else in it, and then nothing was read
   */
  #addNumbers(start: number): number {
    const { bytes } = this;
    const reader = this.#reader;
    const first = reader.count;
    reader.flags = 0;
    let at = skipBlanks(bytes, start + 1);
    for (;;) {
      const byte = bytes[at];
      if (byte === 0x4e || byte === 0x49) at = reader.read(at);
      else if (byte !== undefined && ((byte >= 0x30 && byte <= 0x39) || byte === 0x2d)) {
        at = reader.readRun(at);
      } else break;
      at = skipBlanks(bytes, at);
      if (bytes[at] === 0x5d) {
        this.#addNumberNode(jsonKind.numbers, [start, at + 1], first);
        return at + 1;
      }
      if (bytes[at] !== 0x2c) break;
      at = skipBlanks(bytes, at + 1);
    }
    reader.count = first;
    return start;
  }

  #addNumberNode(kind: JsonKind, [start, end]: readonly [number, number], first: number): void {
    const node = this.#add(kind, start, end);
    this.#links[node] = first;
    this.#counts[node] =
      kind === jsonKind.number ? scalar : this.#shapeNumber(this.#reader.count - first, scalar);
    this.#flags[node] = this.#reader.flags;
  }

  #add(kind: JsonKind, start: number, end: number): number {
    this.#budget?.spend();
    const node = this.#nodeCount;
    if (node === this.#kinds.length) this.#grow();
    this.#nodeCount += 1;
    this.#kinds[node] = kind;
    this.#counts[node] = 0;
    this.#starts[node] = start;
    this.#ends[node] = end;
    return node;
  }

  #grow(): void {
    const size = this.#nodeCount * 2;
    const bytes = (old: Uint8Array) => {
      const larger = new Uint8Array(size);
      larger.set(old);
      return larger;
    };
    const words = (old: Uint32Array) => {
      const larger = new Uint32Array(size);
      larger.set(old);
      return larger;
    };
    this.#kinds = bytes(this.#kinds);
    this.#flags = bytes(this.#flags);
    this.#starts = words(this.#starts);
    this.#ends = words(this.#ends);
    this.#links = words(this.#links);
    this.#counts = words(this.#counts);
  }
}

/** The text after a byte order mark of UTF-8; each of its bytes is passed over where it stands in its turn. */
function afterMark(bytes: Uint8Array): number {
  let at = 0;
  for (const byte of [0xef, 0xbb, 0xbf]) if (bytes[at] === byte) at += 1;
  return at;
}

/** Blanks, commas and brackets, between the numbers of an array. */
const mayBePassed = (byte: number) =>
  byte <= 0x20 || byte === 0x2c || byte === 0x5b || byte === 0x5d;
