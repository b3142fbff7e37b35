import { type JsonFault, JsonParseError } from "./json-fault.ts";
import { type JsonKind, jsonKind, type NodeTable } from "./json-nodes.ts";
import type { NumberReader } from "./json-number.ts";
import { skipBlanks } from "./json-number-text.ts";
import { maxRank, type ShapeTable, scalar } from "./json-shapes.ts";
import { stringEnd } from "./json-string.ts";

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

/** Of an open array: it has no element yet, or elements that differ in their shape or are no numbers. */
const empty = -1;
const irregular = -2;

export interface JsonParserDeps {
  readonly nodes: NodeTable;
  readonly shapes: ShapeTable;
  readonly reader: NumberReader;
  /** Whether regular arrays of arrays of numbers become one node. */
  readonly isFolded: boolean;
}

/** Reads a text into nodes. */
export class JsonParser {
  readonly #bytes: Uint8Array;
  readonly #nodes: NodeTable;
  readonly #shapes: ShapeTable;
  readonly #reader: NumberReader;
  readonly #isFolded: boolean;
  /** Open containers, innermost last. */
  readonly #open: number[] = [];
  /** Where the last array that was tried as a regular one has something else in it. */
  #irregularUntil = 0;
  /** The shape that all elements of each of them have. */
  readonly #openShapes: number[] = [];

  constructor(bytes: Uint8Array, { nodes, shapes, reader, isFolded }: JsonParserDeps) {
    this.#bytes = bytes;
    this.#nodes = nodes;
    this.#shapes = shapes;
    this.#reader = reader;
    this.#isFolded = isFolded;
  }

  /**
   * An iterative parser: how deep a stranger's text goes must not decide how deep the stack does.
   *
   * @throws JsonParseError in the words of the original; TooLargeError where the budget of the nodes ends
   */
  parse(): void {
    const bytes = this.#bytes;
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
            this.#nodes.add(jsonKind.string, at, end);
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
              state = this.#stateAfterValue(this.#nodes.counts[this.#nodes.count - 1]);
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
    this.#open.push(this.#nodes.add(kind, at, 0));
    this.#openShapes.push(kind === jsonKind.array && this.#isFolded ? empty : irregular);
  }

  #close(end: number): State {
    const node = this.#open.pop() as number;
    const inner = this.#openShapes.pop() as number;
    this.#nodes.ends[node] = end;
    if (inner < 0 || !this.#shapes.mayBeWrapped(inner)) {
      this.#nodes.links[node] = this.#nodes.count;
      return this.#stateAfterValue();
    }
    // Its elements stand behind it, and their numbers one after the other.
    let flags = 0;
    for (let each = node + 1; each < this.#nodes.count; each += 1)
      flags |= this.#nodes.flags[each] as number;
    this.#nodes.kinds[node] = jsonKind.numbers;
    this.#nodes.links[node] = this.#nodes.links[node + 1] as number;
    this.#nodes.counts[node] = this.#shapes.numberOf(this.#nodes.counts[node] as number, inner);
    this.#nodes.flags[node] = flags;
    this.#nodes.count = node + 1;
    return this.#stateAfterValue(this.#nodes.counts[node]);
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
    this.#nodes.counts[container] = (this.#nodes.counts[container] as number) + 1;
    if (this.#nodes.kinds[container] === jsonKind.object) return "after member";
    const before = this.#openShapes[last] as number;
    if (before !== shape) this.#openShapes[last] = before === empty ? shape : irregular;
    return "after element";
  }

  #addScalar(at: number, byte: number): number {
    if (byte === 0x22) {
      const end = stringEnd(this.#bytes, at);
      this.#nodes.add(jsonKind.string, at, end);
      return end;
    }
    if (byte === 0x74) return this.#addWord(jsonKind.true, at, "true");
    if (byte === 0x66) return this.#addWord(jsonKind.false, at, "false");
    if (byte === 0x6e) return this.#addWord(jsonKind.null, at, "null");
    const first = this.#reader.count;
    this.#reader.flags = 0;
    const read = this.#reader.readRegular(at, 0);
    // The error of what is not a number is that of a malformed number.
    const end = read > at ? read : this.#reader.read(at);
    this.#addNumberNode(jsonKind.number, [at, end], first);
    return end;
  }

  #addWord(kind: JsonKind, start: number, word: string): number {
    for (let index = 1; index < word.length; index += 1) {
      if (this.#bytes[start + index] === word.charCodeAt(index)) continue;
      throw new JsonParseError("value-invalid", start + index);
    }
    this.#nodes.add(kind, start, start + word.length);
    return start + word.length;
  }

  /**
   * Reads an array that holds numbers only, or regular arrays of them.
   *
   * @param start - where its bracket is
   * @returns where the text goes on; `start` where there is something else in it, and then nothing was read
   */
  #addNumbers(start: number): number {
    // What stands in the way of an outer array stands in that of the inner ones around it, too.
    const isTried = start < this.#irregularUntil;
    const rank = this.#isFolded && !isTried ? maxRank : 1;
    const first = this.#reader.count;
    this.#reader.flags = 0;
    const end = this.#reader.readRegular(start, rank);
    if (end > start) {
      this.#addNumberNode(jsonKind.numbers, [start, end], first);
      return end;
    }
    if (!isTried) this.#irregularUntil = -end;
    return start;
  }

  #addNumberNode(kind: JsonKind, [start, end]: readonly [number, number], first: number): void {
    const node = this.#nodes.add(kind, start, end);
    const { rank, sizes, flags } = this.#reader;
    let shape = scalar;
    let innerSize = 1;
    for (let axis = rank - 1; axis >= 0; axis -= 1) {
      const size = sizes[axis] as number;
      shape = this.#shapes.numberOf(size / innerSize, shape);
      innerSize = size;
    }
    this.#nodes.links[node] = first;
    this.#nodes.counts[node] = shape;
    this.#nodes.flags[node] = flags;
  }
}

/** The text after a byte order mark of UTF-8; each of its bytes is passed over where it stands in its turn. */
function afterMark(bytes: Uint8Array): number {
  let at = 0;
  for (const byte of [0xef, 0xbb, 0xbf]) if (bytes[at] === byte) at += 1;
  return at;
}
