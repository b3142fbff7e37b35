import { closeSync, openSync, readSync, statSync } from "node:fs";
import { extname } from "node:path";

interface Format {
  readonly name: string;
  /** How an ONNX model is made of it. */
  readonly advice: string;
  readonly isOf: (head: Buffer, extension: string) => boolean;
}

const fromPyTorch = 'export it: torch.onnx.export(model, example, "model.onnx")';
const fromKeras =
  'save it as a SavedModel by model.export("FOLDER"), then tensorgate registry convert FOLDER';

const isZip = (head: Buffer) => head.toString("latin1", 0, 4) === "PK\u0003\u0004";
const hasMark = (mark: string, at: number) => (head: Buffer) =>
  head.toString("latin1", at, at + mark.length) === mark;

/** What else models are kept in; the first that fits. */
const formats: readonly Format[] = [
  {
    name: "a Keras model",
    advice: fromKeras,
    isOf: (head, extension) => isZip(head) && extension === ".keras",
  },
  { name: "a Keras model or other HDF5 file", advice: fromKeras, isOf: hasMark("\u0089HDF", 0) },
  { name: "a PyTorch file", advice: fromPyTorch, isOf: isZip },
  {
    name: "a PyTorch file or other pickle",
    advice: fromPyTorch,
    // The opcode PROTO, and its version.
    isOf: (head) => head[0] === 0x80 && (head[1] ?? 0) >= 2 && (head[1] ?? 0) <= 5,
  },
  {
    name: "a TensorFlow Lite model",
    advice: "convert it: python -m tf2onnx.convert --tflite FILE --output model.onnx",
    isOf: hasMark("TFL3", 4),
  },
  {
    name: "a model in the format of ONNX Runtime",
    advice: "give the ONNX file that it was made of",
    isOf: hasMark("ORTM", 4),
  },
  {
    name: "a safetensors file, which has weights without a graph",
    advice: `load it in its framework and ${fromPyTorch}`,
    // The length of the header in eight bytes, then the header in JSON.
    isOf: (head) => hasMark('{"', 8)(head),
  },
  {
    name: "a GGUF file, which has a language model",
    advice: "give an ONNX model",
    isOf: hasMark("GGUF", 0),
  },
  {
    name: "a graph of TensorFlow",
    advice: "give the folder of its SavedModel to tensorgate registry convert",
    isOf: (_head, extension) => extension === ".pb",
  },
];

/** Says what a file is that is no ONNX model, and what to do with it; undefined if that is not known. */
export function otherFileText(file: string): string | undefined {
  if (!(statSync(file, { throwIfNoEntry: false })?.isFile() ?? false)) return undefined;
  const head = Buffer.alloc(16);
  const descriptor = openSync(file, "r");
  try {
    readSync(descriptor, head);
  } finally {
    closeSync(descriptor);
  }
  const format = formats.find(({ isOf }) => isOf(head, extname(file).toLowerCase()));
  return format && `${file} is ${format.name}, not an ONNX model; ${format.advice}`;
}
