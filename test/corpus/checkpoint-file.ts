/** A float tensor of a checkpoint for tests; by default contiguous and alone in its storage. */
export interface WrittenTensor {
  readonly shape: readonly number[];
  readonly values: readonly number[];
  readonly strides?: readonly number[];
  readonly offset?: number;
}

const text = (value: string) => {
  const bytes = Buffer.from(value);
  const head = Buffer.from([0x58, 0, 0, 0, 0]);
  head.writeUInt32LE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
};
const integer = (value: number) => {
  const bytes = Buffer.from([0x4a, 0, 0, 0, 0]);
  bytes.writeInt32LE(value, 1);
  return bytes;
};
const ascii = (value: string) => Buffer.from(value, "latin1");
const integers = (values: readonly number[]) =>
  Buffer.concat([ascii("("), ...values.map(integer), ascii("t")]);

/** A pickle of protocol 2 out of its opcodes. */
export const pickleOf = (...parts: readonly Uint8Array[]): Uint8Array =>
  Buffer.concat([Buffer.from([0x80, 2]), ...parts, ascii(".")]);

/** The opcodes of a call without arguments, such as `os.system`. */
export const callOf = (module: string, name: string): Uint8Array =>
  ascii(`c${module}\n${name}\n)R`);

/** Writes a checkpoint as PyTorch did before version 1.6. */
export function checkpointFile(tensors: Readonly<Record<string, WrittenTensor>>): Uint8Array {
  const entries = Object.entries(tensors);
  const magic = pickleOf(Buffer.from("8a0a6cfc9c46f9206aa85019", "hex"));
  const version = pickleOf(Buffer.from([0x4d, 0xe9, 0x03]));
  const system = pickleOf(ascii("}"), text("little_endian"), Buffer.from([0x88]), ascii("s"));
  const items = entries.flatMap(([name, { shape, values, offset = 0, strides }], index) => [
    text(name),
    ascii("ctorch._utils\n_rebuild_tensor_v2\n(("),
    ...[text("storage"), ascii("ctorch\nFloatStorage\n"), text(String(index)), text("cpu")],
    ...[integer(values.length), ascii("NtQ"), integer(offset), integers(shape)],
    ...[integers(strides ?? contiguous(shape)), Buffer.from([0x89]), ascii("ccollections\n")],
    ascii("OrderedDict\n)RtR"),
  ]);
  const state = pickleOf(ascii("ccollections\nOrderedDict\n)R("), ...items, ascii("u"));
  const keys = pickleOf(ascii("]("), ...entries.map((_, index) => text(String(index))), ascii("e"));
  const storages = entries.map(([, { values }]) => {
    const count = Buffer.alloc(8);
    count.writeBigInt64LE(BigInt(values.length));
    return Buffer.concat([count, Buffer.from(Float32Array.from(values).buffer)]);
  });
  return Buffer.concat([magic, version, system, state, keys, ...storages]);
}

function contiguous(shape: readonly number[]): readonly number[] {
  return shape.map((_, axis) => shape.slice(axis + 1).reduce((all, each) => all * each, 1));
}
