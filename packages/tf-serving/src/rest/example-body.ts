import { create } from "@bufbuild/protobuf";
import {
  type Example,
  ExampleSchema,
  type Feature,
  FeatureSchema,
} from "@tensorgate/proto/tensorflow/example";
import { type Input, InputSchema } from "@tensorgate/proto/tensorflow_serving/input";
import type { JsonDocument } from "../json/json-document.ts";
import { jsonKind } from "../json/json-nodes.ts";
import { doubleFrom, integerFrom } from "../json/json-number-text.ts";
import { kindName } from "../json/json-text.ts";
import { invalidArgument } from "../serving-error.ts";
import { bytesFromObject, isBase64Object } from "./input-values.ts";
import { formatError, type JsonBody } from "./json-body.ts";

/**
 * Reads the examples of a body for `:classify` or `:regress`.
 *
 * @throws ServingError in the original's words, which call both of them classify
 */
export function readExampleBody({ document }: JsonBody): Input {
  const contextNode = document.member(0, "context");
  const context = contextNode === undefined ? undefined : exampleFrom(document, contextNode);
  const list = document.member(0, "examples");
  if (list === undefined) {
    throw formatError(
      document,
      "When method is classify, key 'examples' is expected and was not found",
    );
  }
  const kind = document.kind(list);
  if (kind !== jsonKind.array && kind !== jsonKind.numbers) {
    throw formatError(document, "Expecting 'examples' value to be an list/array");
  }
  if (document.count(list) === 0) throw formatError(document, "'examples' value is an empty array");
  if (kind === jsonKind.numbers)
    throw notAnObject(document.shape(list).length > 1 ? "Array" : "Number");
  const examples: Example[] = [];
  let node = list + 1;
  for (let left = document.count(list); left > 0; left -= 1) {
    examples.push(exampleFrom(document, node));
    node = document.after(node);
  }
  return create(InputSchema, {
    kind: context
      ? { case: "exampleListWithContext", value: { examples, context } }
      : { case: "exampleList", value: { examples } },
  });
}

const notAnObject = (kind: string) =>
  invalidArgument(`Example must be JSON object but got JSON ${kind}`);

function exampleFrom(document: JsonDocument, object: number): Example {
  if (document.kind(object) !== jsonKind.object) throw notAnObject(kindName(document, object));
  const feature: Record<string, Feature> = Object.create(null);
  let node = object + 1;
  for (let left = document.count(object); left > 0; left -= 1) {
    const name = document.text(node);
    feature[name] = featureFrom(document, node + 1, name);
    node = document.after(node + 1);
  }
  const isEmpty = document.count(object) === 0;
  return create(ExampleSchema, isEmpty ? {} : { features: { feature } });
}

/** The lists that a feature may be, and what the original calls their type. */
const typeNames = { bytesList: "bytes", floatList: "float", int64List: "int64" } as const;

type ListCase = keyof typeof typeNames;

/** A feature as its values are added: all of one list, whose type the first value decides. */
interface Values {
  readonly bytesList: Uint8Array[];
  readonly floatList: number[];
  readonly int64List: bigint[];
}

function featureFrom(document: JsonDocument, node: number, name: string): Feature {
  const values: Values = { bytesList: [], floatList: [], int64List: [] };
  let listCase: ListCase | undefined;

  function add<Case extends ListCase>(to: Case, value: Values[Case][number]): void {
    listCase ??= to;
    if (listCase !== to) {
      throw invalidArgument(
        `Unexpected element type in feature: ${name} expecting type: ${typeNames[listCase]}`,
      );
    }
    (values[to] as Values[Case][number][]).push(value);
  }

  function unexpected(kind: string): Error {
    return invalidArgument(`Feature: ${name} has element with unexpected JSON type: ${kind}`);
  }

  function addNumber(text: string): void {
    const integer = integerFrom(text);
    if (integer === undefined) {
      add("floatList", doubleFrom(text));
      return;
    }
    if (integer >= 2n ** 63n) {
      // A list of another type is the first thing that is wrong with it.
      if (listCase !== undefined && listCase !== "int64List") add("int64List", 0n);
      throw invalidArgument(`Feature: ${name} has uint64_t element. Only int64_t is supported.`);
    }
    add("int64List", integer);
  }

  function addValue(value: number): void {
    const kind = document.kind(value);
    if (kind === jsonKind.true || kind === jsonKind.false) {
      add("int64List", kind === jsonKind.true ? 1n : 0n);
    } else if (kind === jsonKind.string) add("bytesList", document.string(value));
    else if (kind === jsonKind.number) {
      for (const text of document.numberTexts(value)) addNumber(text);
    } else if (kind === jsonKind.object && isBase64Object(document, value)) {
      if (listCase !== undefined && listCase !== "bytesList") add("bytesList", new Uint8Array());
      add("bytesList", bytesFromObject(document, value));
    } else throw unexpected(kindName(document, value));
  }

  const kind = document.kind(node);
  if (kind === jsonKind.numbers) {
    if (document.shape(node).length > 1) throw unexpected("Array");
    for (const text of document.numberTexts(node)) addNumber(text);
  } else if (kind === jsonKind.array) {
    let element = node + 1;
    for (let left = document.count(node); left > 0; left -= 1) {
      addValue(element);
      element = document.after(element);
    }
  } else addValue(node);
  return create(FeatureSchema, featureKind(listCase, values));
}

function featureKind(listCase: ListCase | undefined, values: Values) {
  switch (listCase) {
    case undefined:
      return {};
    case "bytesList":
      return { kind: { case: listCase, value: { value: values.bytesList } } } as const;
    case "floatList":
      return { kind: { case: listCase, value: { value: values.floatList } } } as const;
    case "int64List":
      return { kind: { case: listCase, value: { value: values.int64List } } } as const;
  }
}
