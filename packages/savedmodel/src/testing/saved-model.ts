import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { DType, FixedSizeTensor, Signature } from "@tensorgate/core";
import {
  type AttrValueSchema,
  type FunctionDefSchema,
  GraphDefSchema,
  type NodeDefSchema,
} from "@tensorgate/proto/tensorflow/graph";
import { SavedModelSchema } from "@tensorgate/proto/tensorflow/saved_model";
import {
  BundleEntryProtoSchema,
  BundleHeaderProtoSchema,
} from "@tensorgate/proto/tensorflow/tensor_bundle";
import {
  dataTypes,
  joined,
  MessageWriter,
  signatureDefFromSignature,
} from "@tensorgate/tf-serving";
import { maskedCrc32c } from "../checkpoint/crc32c.ts";
import { tensorOfNumbers } from "../convert/numbers.ts";

/** For tests: a node of a graph. */
export type TestNode = Extract<MessageInitShape<typeof NodeDefSchema>, { $typeName?: never }>;
type FunctionInit = MessageInitShape<typeof FunctionDefSchema>;
type AttrInit = Extract<MessageInitShape<typeof AttrValueSchema>, { $typeName?: never }>;

/** For tests: attributes by what they hold. A number is an integer, a list one of integers. */
export type TestAttribute =
  | number
  | boolean
  | string
  | readonly number[]
  | { readonly type: DType }
  | { readonly float: number }
  | { readonly shape: readonly number[] }
  | { readonly tensor: FixedSizeTensor }
  /** One value, which fills a shape. */
  | { readonly filled: { readonly shape: readonly number[]; readonly value: number } }
  | { readonly texts: readonly string[] }
  | { readonly types: readonly DType[] }
  | { readonly shapes: readonly (readonly number[])[] }
  | { readonly function: string };

/** For tests: a node of a graph. */
export function testNode(
  op: string,
  name: string,
  input: readonly string[] = [],
  attributes: Readonly<Record<string, TestAttribute>> = {},
): TestNode {
  const attr = Object.fromEntries(
    Object.entries(attributes).map(([key, value]) => [key, attributeInit(value)]),
  );
  return { op, name, input: [...input], attr };
}

/** For tests: a constant. */
export function testConstant(
  name: string,
  values: readonly number[] | number,
  {
    dtype = "FP32",
    shape,
  }: { readonly dtype?: "FP32" | "INT32"; readonly shape?: readonly number[] } = {},
): TestNode {
  const list = typeof values === "number" ? [values] : values;
  const extents = shape ?? (typeof values === "number" ? [] : [list.length]);
  const tensor = tensorOfNumbers(dtype, extents, list);
  return testNode("Const", name, [], { dtype: { type: dtype }, value: { tensor } });
}

function attributeInit(value: TestAttribute): AttrInit {
  const of = (init: NonNullable<AttrInit["value"]>): AttrInit => ({ value: init });
  const bytes = (text: string) => new TextEncoder().encode(text);
  if (typeof value === "number") return of({ case: "i", value: BigInt(value) });
  if (typeof value === "boolean") return of({ case: "b", value });
  if (typeof value === "string") return of({ case: "s", value: bytes(value) });
  if ("type" in value) return of({ case: "type", value: dataTypes[value.type].number });
  if ("float" in value) return of({ case: "f", value: value.float });
  if ("function" in value) return of({ case: "func", value: { name: value.function } });
  if ("shape" in value) return of({ case: "shape", value: { dim: dims(value.shape) } });
  if ("texts" in value) {
    const stringVal = value.texts.map(bytes);
    const tensorShape = { dim: dims([stringVal.length]) };
    return of({ case: "tensor", value: { dtype: dataTypes.BYTES.number, tensorShape, stringVal } });
  }
  if ("filled" in value) {
    const tensorShape = { dim: dims(value.filled.shape) };
    const floatVal = [value.filled.value];
    return of({ case: "tensor", value: { dtype: dataTypes.FP32.number, tensorShape, floatVal } });
  }
  if ("tensor" in value) {
    const { dtype, shape, data } = value.tensor;
    const tensorContent = new Uint8Array(data);
    const tensorShape = { dim: dims(shape) };
    return of({
      case: "tensor",
      value: { dtype: dataTypes[dtype].number, tensorShape, tensorContent },
    });
  }
  if ("types" in value) {
    return of({ case: "list", value: { type: value.types.map((each) => dataTypes[each].number) } });
  }
  if ("shapes" in value) {
    return of({
      case: "list",
      value: { shape: value.shapes.map((each) => ({ dim: dims(each) })) },
    });
  }
  return of({ case: "list", value: { i: value.map(BigInt) } });
}

const dims = (shape: readonly number[]) => shape.map((size) => ({ size: BigInt(size) }));

export interface TestModel {
  readonly nodes: readonly TestNode[];
  readonly functions?: readonly FunctionInit[];
  /** Signatures by name, with the names of tensors in the graph. */
  readonly signatures?: Readonly<Record<string, Signature>>;
  /** The checkpoint, by its own keys. */
  readonly variables?: ReadonlyMap<string, FixedSizeTensor>;
  /** Node that restores the variables. */
  readonly restoreOp?: string;
}

/** For tests: writes the folder of a SavedModel. @returns the folder */
export function writeSavedModel(folder: string, model: TestModel): string {
  const { nodes, functions = [], signatures = {}, variables, restoreOp = "" } = model;
  mkdirSync(folder, { recursive: true });
  const message = create(SavedModelSchema, {
    savedModelSchemaVersion: 1n,
    metaGraphs: [
      {
        metaInfoDef: { tags: ["serve"], tensorflowVersion: "2.14.0" },
        graphDef: { node: [...nodes], library: { function: [...functions] } },
        saverDef: { restoreOpName: restoreOp },
        signatureDef: Object.fromEntries(
          Object.entries(signatures).map(([name, each]) => [name, signatureDefFromSignature(each)]),
        ),
      },
    ],
  });
  writeFileSync(join(folder, "saved_model.pb"), toBinary(SavedModelSchema, message));
  if (variables) writeBundle(join(folder, "variables", "variables"), variables);
  return folder;
}

/** For tests: writes a frozen graph. @returns the file */
export function writeFrozenGraph(file: string, nodes: readonly TestNode[]): string {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, toBinary(GraphDefSchema, create(GraphDefSchema, { node: [...nodes] })));
  return file;
}

/** For tests: writes a checkpoint with one shard, whose index has one block of entries. */
export function writeBundle(prefix: string, tensors: ReadonlyMap<string, FixedSizeTensor>): void {
  mkdirSync(dirname(prefix), { recursive: true });
  const header = toBinary(
    BundleHeaderProtoSchema,
    create(BundleHeaderProtoSchema, { numShards: 1 }),
  );
  const entries: (readonly [string, Uint8Array])[] = [["", header]];
  const data: Uint8Array[] = [];
  let offset = 0;
  for (const [key, tensor] of [...tensors].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const entry = create(BundleEntryProtoSchema, {
      dtype: dataTypes[tensor.dtype].number,
      shape: { dim: dims(tensor.shape) },
      offset: BigInt(offset),
      size: BigInt(tensor.data.byteLength),
      crc32c: maskedCrc32c(tensor.data),
    });
    entries.push([key, toBinary(BundleEntryProtoSchema, entry)]);
    data.push(tensor.data);
    offset += tensor.data.byteLength;
  }
  writeFileSync(`${prefix}.data-00000-of-00001`, Buffer.concat(data));
  writeFileSync(`${prefix}.index`, tableOf([storedBlock(entries)]));
}

/** For tests: a block of a table, as it is stored: its kind of compression and its checksum follow it. */
export function storedBlock(entries: readonly (readonly [string, Uint8Array])[]): Uint8Array {
  const pieces = entries.flatMap(([key, value]) => {
    const bytes = new TextEncoder().encode(key);
    const lengths = new MessageWriter().varint(0).varint(bytes.byteLength);
    return [...lengths.varint(value.byteLength).finish(), bytes, value];
  });
  const restarts = Uint8Array.of(0, 0, 0, 0, 1, 0, 0, 0);
  return withTrailer(joined([...pieces, restarts]), 0);
}

/** For tests: a block with its kind of compression and its checksum. */
export function withTrailer(block: Uint8Array, compression: number): Uint8Array {
  const stored = Buffer.concat([block, Uint8Array.of(compression), new Uint8Array(4)]);
  stored.writeUInt32LE(maskedCrc32c(stored.subarray(0, -4)), stored.byteLength - 4);
  return stored;
}

/** For tests: a table of blocks that are stored already. */
export function tableOf(blocks: readonly Uint8Array[]): Uint8Array {
  const handle = (offset: number, stored: Uint8Array) =>
    joined(
      new MessageWriter()
        .varint(offset)
        .varint(stored.byteLength - 5)
        .finish(),
    );
  let offset = 0;
  const index = blocks.map((stored, at): readonly [string, Uint8Array] => {
    const found = handle(offset, stored);
    offset += stored.byteLength;
    return [String(at), found];
  });
  const indexBlock = storedBlock(index);
  const footer = Buffer.alloc(48);
  footer.set(joined([handle(offset, indexBlock), handle(offset, indexBlock)]));
  footer.writeBigUInt64LE(0xdb47_7524_8b80_fb57n, 40);
  return Buffer.concat([...blocks, indexBlock, footer]);
}
