import type { Tensor } from "@tensorgate/core";
import type { JsonDocument } from "../json/json-document.ts";
import { jsonKind } from "../json/json-nodes.ts";
import { maxRank } from "../json/json-shapes.ts";
import { jsonText, numberText } from "../json/json-text.ts";
import { invalidArgument, ServingError } from "../serving-error.ts";
import {
  type Collectors,
  type InputValues,
  inputCollectors,
  isBase64Object,
} from "./input-values.ts";
import { formatError, type JsonBody } from "./json-body.ts";

/** Tensors of a `:predict` body, and the format in which the answer is to be written. */
export interface PredictBody {
  readonly format: "row" | "columnar";
  readonly inputs: ReadonlyMap<string, Tensor>;
}

/**
 * Reads the tensors of a body, either by `instances` or by `inputs`.
 *
 * @param types - TensorFlow's name of the type of each input of the signature, such as `float`
 * @param pictureInputs - inputs that take strings too, if the first value is one
 * @throws ServingError in the original's words
 */
export function readPredictBody(
  { document, signatureName }: JsonBody,
  types: ReadonlyMap<string, string>,
  pictureInputs: ReadonlySet<string> = new Set(),
): PredictBody {
  if (types.size === 0) {
    throw invalidArgument(`Failed to get input map for signature: ${signatureName || "DEFAULT"}`);
  }
  const collectors = inputCollectors(types, pictureInputs);
  const instances = document.member(0, "instances");
  const inputs = document.member(0, "inputs");
  if (instances !== undefined) {
    if (inputs !== undefined) {
      throw formatError(
        document,
        "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ",
      );
    }
    return { format: "row", inputs: rowInputs(document, instances, collectors) };
  }
  if (inputs === undefined) throw invalidArgument("Missing 'inputs' or 'instances' key");
  return { format: "columnar", inputs: columnarInputs(document, inputs, collectors) };
}

/** One input as its values are collected. */
interface Collected {
  readonly values: InputValues;
  /** Of the first instance: the others must have the same. */
  shape?: readonly number[];
  /** Values of the first instance. */
  size: number;
}

function rowInputs(
  document: JsonDocument,
  instances: number,
  collectors: Collectors,
): ReadonlyMap<string, Tensor> {
  const kind = document.kind(instances);
  if (kind !== jsonKind.array && kind !== jsonKind.numbers) {
    throw formatError(document, "Expecting 'instances' to be an list/array");
  }
  const count = document.count(instances);
  if (count === 0) throw formatError(document, "No values in 'instances' array");
  const collected = new Map<string, Collected>();
  const collectedOf = (name: string): Collected => {
    const known = collected.get(name);
    if (known) return known;
    const collect = collectors.get(name);
    if (!collect) {
      throw invalidArgument(`JSON object: does not have named input: ${name}`);
    }
    const made = { values: collect(), size: 0 };
    collected.set(name, made);
    return made;
  };

  const isPlain = kind === jsonKind.numbers;
  const isObject = (node: number) =>
    document.kind(node) === jsonKind.object && !isBase64Object(document, node);
  const first = instances + 1;
  if (collectors.size > 1 && (isPlain || document.kind(first) !== jsonKind.object)) {
    throw invalidArgument(
      "instances is a plain list, but expecting list of objects as multiple input tensors required as per tensorinfo_map",
    );
  }
  const [onlyName = ""] = collectors.keys();
  if (isPlain) {
    addRegular(document, instances, collectedOf(onlyName));
  } else if (isObject(first)) {
    const expected = [...collectors.keys()].toSorted();
    let node = first;
    for (let index = 0; index < count; index += 1) {
      if (!isObject(node)) {
        throw invalidArgument(`Expecting object but got list at item ${index} of input list`);
      }
      addNamed(document, node, { index, expected, collectedOf });
      node = document.after(node);
    }
  } else {
    let node = first;
    for (let index = 0; index < count; index += 1) {
      if (isObject(node)) {
        throw invalidArgument(`Expecting value/list but got object at item ${index} of input list`);
      }
      const where = `element: ${index} of 'instances' list.`;
      const item = node;
      inElement(where, () => addItem(document, item, collectedOf(onlyName)));
      node = document.after(node);
    }
  }
  return new Map(
    [...collected].map(([name, { values, shape = [] }]) => [
      name,
      values.tensor([count, ...shape]),
    ]),
  );
}

/** Adds a regular list of numbers all together: what is wrong in it is wrong with one of the numbers. */
function addRegular(document: JsonDocument, node: number, collected: Collected): void {
  const [, ...shape] = document.shape(node);
  assertRank(shape.length);
  collected.shape = shape;
  const { values } = collected;
  try {
    values.add(document, node);
  } catch (thrown) {
    if (!(thrown instanceof ServingError)) throw thrown;
    // How many went in before tells which element it was.
    const index = Math.floor(values.count() / shape.reduce((all, extent) => all * extent, 1));
    inElement(`element: ${index} of 'instances' list.`, () => {
      throw thrown;
    });
  }
}

interface NamedItem {
  readonly index: number;
  /** Names of all inputs, sorted. */
  readonly expected: readonly string[];
  readonly collectedOf: (name: string) => Collected;
}

function addNamed(
  document: JsonDocument,
  object: number,
  { index, expected, collectedOf }: NamedItem,
): void {
  const names = new Set<string>();
  let node = object + 1;
  for (let left = document.count(object); left > 0; left -= 1) {
    const name = document.text(node);
    const value = node + 1;
    names.add(name);
    inElement(`element: ${index} key: ${name} of 'instances' list.`, () =>
      addItem(document, value, collectedOf(name)),
    );
    node = document.after(value);
  }
  if (names.size === expected.length && expected.every((name) => names.has(name))) return;
  throw invalidArgument(
    `Failed to process element: ${index} of 'instances' list. JSON object: ${jsonText(document, object)} keys must be equal to: ${expected.join(",")}`,
  );
}

/** Says of an error in which element of the list it is; whatever it was, it is the caller's mistake then. */
function inElement(where: string, add: () => void): void {
  try {
    add();
  } catch (cause) {
    if (!(cause instanceof ServingError)) throw cause;
    throw invalidArgument(`Failed to process ${where} Error: ${cause.codeName}: ${cause.message}`);
  }
}

function addItem(document: JsonDocument, node: number, collected: Collected): void {
  const { values } = collected;
  const shape = denseShape(document, node);
  const before = values.count();
  fill(document, node, { level: 0, shape, values });
  const size = values.count() - before;
  if (!collected.shape) {
    collected.shape = shape;
    collected.size = size;
    return;
  }
  if (collected.size !== size) {
    throw invalidArgument(`Expecting tensor size: ${collected.size} but got: ${size}`);
  }
  const [expected, got] = [String(collected.shape), String(shape)];
  if (expected !== got) throw invalidArgument(`Expecting shape [${expected}] but got: [${got}]`);
}

function columnarInputs(
  document: JsonDocument,
  node: number,
  collectors: Collectors,
): ReadonlyMap<string, Tensor> {
  const read = (value: number, collect: () => InputValues): Tensor => {
    const values = collect();
    const shape = denseShape(document, value);
    fill(document, value, { level: 0, shape, values });
    return values.tensor(shape);
  };
  if (document.kind(node) !== jsonKind.object || isBase64Object(document, node)) {
    if (collectors.size > 1) {
      throw invalidArgument(
        "inputs is a plain value/list, but expecting an object as multiple input tensors required as per tensorinfo_map",
      );
    }
    return new Map([...collectors].map(([name, collect]) => [name, read(node, collect)]));
  }
  return new Map(
    [...collectors].map(([name, collect]) => {
      const value = document.member(node, name);
      if (value === undefined) {
        throw invalidArgument(`Missing named input: ${name} in 'inputs' object.`);
      }
      return [name, read(value, collect)];
    }),
  );
}

/** Extents of a value, by the first element of every list. */
function denseShape(document: JsonDocument, node: number): readonly number[] {
  const shape: number[] = [];
  for (let at = node; ; at += 1) {
    const kind = document.kind(at);
    if (kind === jsonKind.numbers) shape.push(...document.shape(at));
    else if (kind === jsonKind.array) shape.push(document.count(at));
    assertRank(shape.length);
    if (kind !== jsonKind.array || document.count(at) === 0) return shape;
  }
}

function assertRank(rank: number): void {
  if (rank <= maxRank) return;
  throw invalidArgument(`Encountered list at unexpected level: ${maxRank} expected < ${maxRank}`);
}

interface Place {
  readonly level: number;
  readonly shape: readonly number[];
  readonly values: InputValues;
}

/** Adds all values of a node, which must be lists of the extents of `shape` down to its rank. */
function fill(document: JsonDocument, node: number, place: Place): void {
  const { level, shape, values } = place;
  const kind = document.kind(node);
  if (kind === jsonKind.array) {
    assertList(document.count(node), level, shape);
    let element = node + 1;
    const within = { level: level + 1, shape, values };
    for (let left = document.count(node); left > 0; left -= 1) {
      fill(document, element, within);
      element = document.after(element);
    }
    return;
  }
  let leafLevel = level;
  if (kind === jsonKind.numbers) {
    for (const extent of document.shape(node)) {
      assertList(extent, leafLevel, shape);
      leafLevel += 1;
    }
  }
  if (leafLevel !== shape.length) {
    const text = kind === jsonKind.numbers ? firstNumber(document, node) : jsonText(document, node);
    throw invalidArgument(
      `JSON Value: ${text} found at incorrect level: ${leafLevel + 1} in the JSON DOM. Expected at level: ${shape.length}`,
    );
  }
  values.add(document, node);
}

function assertList(extent: number, level: number, shape: readonly number[]): void {
  if (level >= shape.length) {
    throw invalidArgument(
      `Encountered list at unexpected level: ${level} expected < ${shape.length}`,
    );
  }
  if (extent === shape[level]) return;
  throw invalidArgument(
    `Encountered list at unexpected size: ${extent} at level: ${level} expected size: ${shape[level]}`,
  );
}

function firstNumber(document: JsonDocument, node: number): string {
  for (const text of document.numberTexts(node)) return numberText(text);
  return "";
}
