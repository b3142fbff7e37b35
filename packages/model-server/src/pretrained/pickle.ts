/** A name of Python that a pickle refers to, such as `torch.FloatStorage`. Nothing is imported or called for it. */
export class PickleGlobal {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** Lists and tuples are arrays, dictionaries are maps; `object` is what a call of `PickleCalls` returned. */
export type PickleValue =
  | (null | boolean | number | bigint | string | PickleGlobal | object)
  | PickleValue[]
  | Map<PickleValue, PickleValue>;

/** What a reader makes of the calls in a pickle. Every other call is refused. */
export interface PickleCalls {
  /** By the name of the function, such as `torch._utils._rebuild_tensor_v2`. */
  readonly functions: ReadonlyMap<string, (args: readonly PickleValue[]) => PickleValue>;
  /** Names that may occur as values and are never called. */
  readonly names: ReadonlySet<string>;
  /** Returns what is stored outside of the pickle. */
  readonly persistent: (id: PickleValue) => PickleValue;
}

/** A pickle that has anything but plain data and the calls that its reader allows. */
export class PickleError extends Error {
  override readonly name = "PickleError";
}

/** A value, and the offset behind its last byte. */
export interface ReadPickle {
  readonly value: PickleValue;
  readonly end: number;
}

const mark = Symbol("mark");
type Slot = PickleValue | typeof mark;

/**
 * Reads one pickle (protocol 2) without executing anything: data, and calls by the table of the caller. Its work and
 * memory are bounded by the bytes: each opcode makes at most one value.
 *
 * @see https://docs.python.org/3/library/pickletools.html for the opcodes
 * @throws PickleError for another opcode, name or call, and for a pickle that is cut off
 */
export function readPickle(bytes: Uint8Array, start: number, calls: PickleCalls): ReadPickle {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const memo = new Map<number, PickleValue>();
  const stack: Slot[] = [];
  let at = start;

  const take = (count: number): number => {
    if (count > bytes.length - at) throw new PickleError(`the pickle ends within byte ${at}`);
    const from = at;
    at += count;
    return from;
  };
  const textLine = (): string => {
    const end = bytes.indexOf(0x0a, at);
    if (end < 0 || end - at > 256) throw new PickleError(`a name without an end at byte ${at}`);
    return new TextDecoder().decode(bytes.subarray(take(end + 1 - at), end));
  };
  const pop = (): PickleValue => {
    const top = stack.pop();
    if (top === undefined || top === mark) throw new PickleError(`no value before byte ${at}`);
    return top;
  };
  const popToMark = (): PickleValue[] => {
    const index = stack.lastIndexOf(mark);
    if (index < 0) throw new PickleError(`no mark before byte ${at}`);
    const [, ...items] = stack.splice(index);
    return items as PickleValue[];
  };
  const tuple = (length: number): PickleValue[] => Array.from({ length }, pop).toReversed();
  const put = (index: number) => {
    const top = pop();
    memo.set(index, top);
    stack.push(top);
  };
  const get = (index: number) => {
    const value = memo.get(index);
    if (value === undefined) throw new PickleError(`value ${index} is used before it is there`);
    stack.push(value);
  };
  const setItems = (items: readonly PickleValue[]) => {
    const target = pop();
    if (!(target instanceof Map) || items.length % 2 !== 0) {
      throw new PickleError(`items of no dictionary before byte ${at}`);
    }
    for (let index = 0; index < items.length; index += 2) {
      target.set(items[index] ?? null, items[index + 1] ?? null);
    }
    stack.push(target);
  };
  const append = (items: readonly PickleValue[]) => {
    const target = pop();
    if (!Array.isArray(target)) throw new PickleError(`items of no list before byte ${at}`);
    for (const item of items) target.push(item);
    stack.push(target);
  };
  const reduce = () => {
    const args = pop();
    const called = pop();
    const name = called instanceof PickleGlobal ? called.name : "a value";
    const call = calls.functions.get(name);
    if (!call || !Array.isArray(args)) throw new PickleError(`a call of ${name} is not allowed`);
    stack.push(call(args));
  };

  const opcodes: Readonly<Record<number, () => void>> = {
    [0x80]: () => {
      const protocol = view.getUint8(take(1));
      if (protocol !== 2) throw new PickleError(`protocol ${protocol} of pickle; expected 2`);
    },
    [code("(")]: () => void stack.push(mark),
    [code("N")]: () => void stack.push(null),
    [0x88]: () => void stack.push(true),
    [0x89]: () => void stack.push(false),
    [code("K")]: () => void stack.push(view.getUint8(take(1))),
    [code("M")]: () => void stack.push(view.getUint16(take(2), true)),
    [code("J")]: () => void stack.push(view.getInt32(take(4), true)),
    [code("G")]: () => void stack.push(view.getFloat64(take(8))),
    [0x8a]: () => void stack.push(longFrom(bytes, take(1), take)),
    [code("X")]: () => {
      const length = view.getUint32(take(4), true);
      const from = take(length);
      stack.push(new TextDecoder().decode(bytes.subarray(from, from + length)));
    },
    [code("q")]: () => put(view.getUint8(take(1))),
    [code("r")]: () => put(view.getUint32(take(4), true)),
    [code("h")]: () => get(view.getUint8(take(1))),
    [code("j")]: () => get(view.getUint32(take(4), true)),
    [code("}")]: () => void stack.push(new Map()),
    [code("]")]: () => void stack.push([]),
    [code(")")]: () => void stack.push([]),
    [code("t")]: () => void stack.push(popToMark()),
    [0x85]: () => void stack.push(tuple(1)),
    [0x86]: () => void stack.push(tuple(2)),
    [0x87]: () => void stack.push(tuple(3)),
    [code("s")]: () => setItems(tuple(2)),
    [code("u")]: () => setItems(popToMark()),
    [code("a")]: () => append(tuple(1)),
    [code("e")]: () => append(popToMark()),
    [code("c")]: () => {
      const name = `${textLine()}.${textLine()}`;
      if (!calls.functions.has(name) && !calls.names.has(name)) {
        throw new PickleError(`the name ${name} is not allowed`);
      }
      stack.push(new PickleGlobal(name));
    },
    [code("R")]: reduce,
    [code("Q")]: () => void stack.push(calls.persistent(pop())),
    // Attributes of a dictionary, such as its version: they are no tensors.
    [code("b")]: () => {
      pop();
      const target = pop();
      if (!(target instanceof Map)) throw new PickleError(`attributes of no dictionary`);
      stack.push(target);
    },
  };

  for (;;) {
    const opcode = view.getUint8(take(1));
    if (opcode === code(".")) return { value: pop(), end: at };
    const run = opcodes[opcode];
    if (!run) throw new PickleError(`opcode ${opcode} at byte ${at - 1} is not allowed`);
    run();
  }
}

const code = (letter: string): number => letter.charCodeAt(0);

/** Reads an integer of any length: little-endian, in two's complement. */
function longFrom(bytes: Uint8Array, at: number, take: (count: number) => number): bigint {
  const length = bytes[at] ?? 0;
  const from = take(length);
  let value = 0n;
  for (let index = length - 1; index >= 0; index -= 1) {
    value = (value << 8n) | BigInt(bytes[from + index] ?? 0);
  }
  return BigInt.asIntN(Math.max(1, length * 8), value);
}
