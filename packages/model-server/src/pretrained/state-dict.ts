import { PickleError, PickleGlobal, type PickleValue, readPickle } from "./pickle.ts";

/** A tensor of a checkpoint, row-major. */
export interface StoredTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** A checkpoint that cannot be read. */
export class CheckpointError extends Error {
  override readonly name = "CheckpointError";
}

interface Storage {
  readonly kind: "storage";
  readonly key: string;
  readonly type: string;
  readonly length: number;
}

interface TensorOutline {
  readonly kind: "tensor";
  readonly storage: Storage;
  readonly offset: number;
  readonly shape: readonly number[];
  /** In elements of the storage, by axis. */
  readonly strides: readonly number[];
}

/** Bytes of an element, by the class of the storage. */
const elementBytes: Readonly<Record<string, number>> = {
  "torch.FloatStorage": 4,
  "torch.LongStorage": 8,
};

const magicNumber = 0x1950a86a20f9469cfc6cn;
const formatVersion = 1_001;

const calls = {
  functions: new Map<string, (args: readonly PickleValue[]) => PickleValue>([
    ["collections.OrderedDict", () => new Map()],
    ["torch._utils._rebuild_tensor_v2", tensorFrom],
  ]),
  names: new Set(Object.keys(elementBytes)),
  persistent: storageFrom,
};

/**
 * Reads the float tensors of a PyTorch state dict in the form before PyTorch 1.6: magic number, version and system as
 * pickles, the pickled dictionary, the keys of its storages, and the storages. Nothing in the file is executed.
 *
 * @returns the tensors by name, such as `_conv_stem.weight`; integers (counters of batches) are left out
 * @throws CheckpointError for anything else
 */
export function readStateDict(bytes: Uint8Array): ReadonlyMap<string, StoredTensor> {
  try {
    return stateDictFrom(bytes);
  } catch (thrown) {
    if (!(thrown instanceof PickleError)) throw thrown;
    throw new CheckpointError(`not a state dict of PyTorch: ${thrown.message}`, { cause: thrown });
  }
}

function stateDictFrom(bytes: Uint8Array): ReadonlyMap<string, StoredTensor> {
  let at = 0;
  const next = (): PickleValue => {
    const { value, end } = readPickle(bytes, at, calls);
    at = end;
    return value;
  };
  if (bytes[0] === 0x50 && bytes[1] === 0x4b) {
    throw new CheckpointError("a checkpoint of PyTorch 1.6 or newer (a ZIP archive) is not read");
  }
  if (next() !== magicNumber || next() !== formatVersion) {
    throw new CheckpointError("not a checkpoint of PyTorch: the magic number is missing");
  }
  const system = next();
  if (!(system instanceof Map) || system.get("little_endian") !== true) {
    throw new CheckpointError("a checkpoint of a big-endian machine is not read");
  }
  const outlines = next();
  const keys = next();
  if (!(outlines instanceof Map) || !Array.isArray(keys)) {
    throw new CheckpointError("not a state dict: no dictionary of tensors");
  }
  const tensors = [...outlines].filter(isTensor);
  const types = new Map(tensors.map(([, { storage }]) => [storage.key, storage.type]));
  const data = new Map<PickleValue, Uint8Array>();
  for (const key of keys) {
    const elementLength = elementBytes[types.get(String(key)) ?? ""];
    if (elementLength === undefined || bytes.length - at < 8) {
      throw new CheckpointError(`storage ${String(key)} is of no tensor, or is cut off`);
    }
    const count = Number(new DataView(bytes.buffer, bytes.byteOffset + at, 8).getBigInt64(0, true));
    const byteLength = count * elementLength;
    at += 8;
    if (!(count >= 0) || byteLength > bytes.length - at) {
      throw new CheckpointError(`storage ${String(key)} is longer than the file`);
    }
    data.set(key, bytes.subarray(at, at + byteLength));
    at += byteLength;
  }
  return new Map(
    tensors
      .filter(([, { storage }]) => storage.type === "torch.FloatStorage")
      .map(([name, outline]) => [name, storedTensor(name, outline, data)]),
  );
}

function storedTensor(
  name: string,
  { storage, offset, shape, strides }: TensorOutline,
  data: ReadonlyMap<PickleValue, Uint8Array>,
): StoredTensor {
  const stored = data.get(storage.key);
  const length = shape.reduce((product, extent) => product * extent, 1);
  const last = shape.reduce(
    (sum, extent, axis) => sum + (extent - 1) * (strides[axis] ?? 0),
    offset,
  );
  const count = (stored?.length ?? 0) / 4;
  // A stride of 0 could make a tensor of any size out of a few bytes.
  if (!stored || length > count || (length > 0 && last >= count)) {
    throw new CheckpointError(`tensor ${name} is not within its storage`);
  }
  // A copy: a storage may begin at any byte of the file, floats may not.
  const floats = new Float32Array(new Uint8Array(stored).buffer);
  const values = new Float32Array(length);
  const index = shape.map(() => 0);
  let from = offset;
  for (let to = 0; to < length; to += 1) {
    values[to] = floats[from] ?? 0;
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      const [at = 0, extent = 0, stride = 0] = [index[axis], shape[axis], strides[axis]];
      if (at + 1 < extent) {
        index[axis] = at + 1;
        from += stride;
        break;
      }
      index[axis] = 0;
      from -= at * stride;
    }
  }
  return { shape, values };
}

function isTensor(entry: [PickleValue, PickleValue]): entry is [string, TensorOutline] {
  const [name, value] = entry;
  const isOne =
    typeof name === "string" &&
    typeof value === "object" &&
    value !== null &&
    "kind" in value &&
    value.kind === "tensor";
  if (isOne) return true;
  throw new CheckpointError(`not a state dict: ${String(name)} is no tensor`);
}

/** ("storage", class, key, device, length, view) */
function storageFrom(id: PickleValue): Storage {
  const [word, type, key, , length] = Array.isArray(id) ? id : [];
  const isStorage = word === "storage" && type instanceof PickleGlobal;
  if (!isStorage || typeof key !== "string" || !isCount(length)) {
    throw new PickleError("an object outside of the pickle that is no storage");
  }
  return { kind: "storage", key, type: type.name, length };
}

/** (storage, offset, shape, strides, …) */
function tensorFrom([storage, offset, shape, strides]: readonly PickleValue[]): TensorOutline {
  const isStorage = typeof storage === "object" && storage !== null && "kind" in storage;
  if (!isStorage || storage.kind !== "storage" || !isCount(offset) || !areCounts(shape)) {
    throw new PickleError("a tensor without storage, offset or shape");
  }
  if (!areCounts(strides) || strides.length !== shape.length) {
    throw new PickleError(`a tensor [${shape.join(", ")}] without a stride for each axis`);
  }
  return { kind: "tensor", storage: storage as Storage, offset, shape, strides };
}

const isCount = (value: PickleValue | undefined): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 0;

const areCounts = (value: PickleValue | undefined): value is number[] =>
  Array.isArray(value) && value.length <= 8 && value.every((each) => isCount(each));
