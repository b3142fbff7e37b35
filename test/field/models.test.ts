import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { status as grpcCode } from "@grpc/grpc-js";
import { bytesTensor, fixedSizeTensor, float32Tensor, type Tensor } from "@tensorgate/core";
import { type ModelServer, startModelServer } from "@tensorgate/model-server";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import {
  createGraphBuilder,
  type ElementType,
  type GraphBuilder,
  type OnnxShape,
} from "../../packages/model-server/src/onnx/graph-builder.ts";
import {
  addHalfPlusTwo,
  addModelFile,
  createServingCaller,
  type ServingCaller,
} from "../../packages/model-server/src/testing.ts";
import { tensorgate } from "../support/command-process.ts";

// Models as their owners have them, after public reports of other programs.

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-field-"));
  folders.push(folder);
  return folder;
}

function model(build: (graph: GraphBuilder) => void): Uint8Array {
  const graph = createGraphBuilder("field");
  build(graph);
  return graph.finish();
}

/** y = x in another type; `to` is a number of ONNX's element types. */
function castModel(input: readonly [ElementType, OnnxShape], to: readonly [ElementType, number]) {
  return model((graph) => {
    graph.input("x", input[1], input[0]);
    graph.op("Cast", ["x"], { to: to[1] }, "y");
    graph.output("y", input[1], to[0]);
  });
}

/** A linear classifier as scikit-learn's exporter writes it: a label, and the scores in a sequence of maps. */
function zipMapModel(labels: readonly number[] | readonly string[]): Uint8Array {
  const isText = typeof labels[0] === "string";
  const texts = { texts: labels.map(String) };
  const numbers = labels.map(Number);
  return model((graph) => {
    graph.input("x", ["n", 2]);
    graph.opWithOutputs(
      "ai.onnx.ml:LinearClassifier",
      ["x"],
      {
        coefficients: { floats: [1, 0, 0, 1] },
        intercepts: { floats: [0, 0] },
        post_transform: { text: "SOFTMAX" },
        ...(isText ? { classlabels_strings: texts } : { classlabels_ints: numbers }),
      },
      ["label", "scores"],
    );
    const keys = isText ? { classlabels_strings: texts } : { classlabels_int64s: numbers };
    graph.op("ai.onnx.ml:ZipMap", ["scores"], keys, "probs");
    graph.output("label", ["n"], isText ? "string" : "int64");
    const value = { value: { case: "tensorType" as const, value: { elemType: 1 } } };
    const map = { keyType: isText ? 8 : 7, valueType: value };
    graph.outputOfType("probs", {
      value: {
        case: "sequenceType",
        value: { elemType: { value: { case: "mapType", value: map } } },
      },
    });
  });
}

const float16Of = { FLOAT: 1, FLOAT16: 10, BFLOAT16: 16 };

/** 1, 2, 0, -2, the largest number, the smallest normal one, the smallest of all, infinity. */
const halfBits = [0x3c00, 0x4000, 0, 0xc000, 0x7bff, 0x0400, 0x0001, 0x7c00];
const halfValues = [1, 2, 0, -2, 65_504, 2 ** -14, 2 ** -24, Number.POSITIVE_INFINITY];

const halves = (shape: readonly number[], bits: readonly number[]): Tensor =>
  fixedSizeTensor("FP16", shape, new Uint8Array(Uint16Array.from(bits).buffer));

const numbersOf = (tensor: Tensor | undefined): readonly number[] => {
  if (!tensor || tensor.dtype === "BYTES") return [];
  const { buffer } = new Uint8Array(tensor.data);
  if (tensor.dtype === "FP16") return [...new Uint16Array(buffer)];
  return tensor.dtype === "INT64"
    ? [...new BigInt64Array(buffer)].map(Number)
    : [...new Float32Array(buffer)];
};

const textsOf = (tensor: Tensor | undefined): readonly string[] =>
  tensor?.dtype === "BYTES" ? tensor.elements.map((each) => Buffer.from(each).toString()) : [];

interface RunningServer {
  readonly server: ModelServer;
  readonly caller: ServingCaller;
  readonly warnings: readonly string[];
}

async function startServer(directory: string): Promise<RunningServer> {
  const warnings: string[] = [];
  const server = await startModelServer({
    port: 0,
    models: { directory },
    onWarning: (text) => warnings.push(text),
  });
  return { server, caller: createServingCaller(server.port), warnings };
}

/** The text of an RPC's status. */
const rejection = (call: Promise<unknown>) =>
  call.then(
    () => "answered",
    (thrown: { readonly code: number; readonly details: string }) =>
      `${thrown.code} ${thrown.details}`,
  );

// microsoft/onnxruntime#26791, microsoft/onnxruntime#32323
describe("float16", () => {
  let running: RunningServer;
  beforeAll(async () => {
    const directory = temporaryFolder();
    const { FLOAT, FLOAT16 } = float16Of;
    addModelFile(directory, "to-float", castModel(["float16", ["n", 4]], ["float", FLOAT]));
    addModelFile(directory, "to-half", castModel(["float", ["n", 2, 2]], ["float16", FLOAT16]));
    addModelFile(directory, "scalar", castModel(["float16", []], ["float16", FLOAT16]));
    const mixed = model((graph) => {
      graph.input("half", ["n"], "float16");
      graph.input("single", ["n"]);
      graph.input("count", [], "int64");
      const widened = graph.op("Cast", ["half"], { to: FLOAT });
      const factor = graph.op("Cast", ["count"], { to: FLOAT });
      const sum = graph.op("Add", [widened, "single"]);
      graph.op("Mul", [sum, factor], {}, "y");
      graph.op("Neg", ["half"], {}, "negated");
      graph.output("y", ["n"]);
      graph.output("negated", ["n"], "float16");
    });
    addModelFile(directory, "mixed", mixed);
    running = await startServer(directory);
  });
  afterAll(async () => {
    running.caller[Symbol.dispose]();
    await running.server.close(0);
  });

  test.each([1, 2])("an input of %i rows is read exactly", async (rows) => {
    const bits = rows === 1 ? halfBits.slice(0, 4) : halfBits;

    const outputs = await running.caller.score("to-float", { x: halves([rows, 4], bits) });

    expect(numbersOf(outputs.get("y"))).toEqual(halfValues.slice(0, rows * 4));
  });

  test("an empty batch is answered", async () => {
    const outputs = await running.caller.score("to-float", { x: halves([0, 4], []) });

    expect(outputs.get("y")).toMatchObject({ dtype: "FP32", shape: [0, 4] });
  });

  test("an output is answered exactly", async () => {
    const x = float32Tensor([2, 2, 2], Float32Array.from(halfValues));

    const outputs = await running.caller.score("to-half", { x });

    expect(outputs.get("y")).toMatchObject({ dtype: "FP16", shape: [2, 2, 2] });
    expect(numbersOf(outputs.get("y"))).toEqual(halfBits);
  });

  test("a scalar stays a scalar", async () => {
    const outputs = await running.caller.score("scalar", { x: halves([], [0x4000]) });

    expect(outputs.get("y")).toMatchObject({ dtype: "FP16", shape: [] });
    expect(numbersOf(outputs.get("y"))).toEqual([0x4000]);
  });

  test("an input stands beside others of other types", async () => {
    const outputs = await running.caller.score("mixed", {
      half: halves([2], [0x3c00, 0xc000]),
      single: float32Tensor([2], Float32Array.of(0.5, 0.25)),
      count: fixedSizeTensor("INT64", [], new Uint8Array(BigInt64Array.of(2n).buffer)),
    });

    expect(numbersOf(outputs.get("y"))).toEqual([3, -3.5]);
    expect(numbersOf(outputs.get("negated"))).toEqual([0xbc00, 0x4000]);
  });

  test("the values of a request are read from half_val too", async () => {
    // PredictRequest of "to-float": x is DT_HALF [1, 4] with half_val 1, 2, 0, -2.
    const tensor = [0x08, 19, 0x12, 8, 0x12, 2, 0x08, 1, 0x12, 2, 0x08, 4];
    const values = [0x6a, 8, 0x80, 0x78, 0x80, 0x80, 0x01, 0, 0x80, 0x80, 0x03];
    values[1] = values.length - 2;
    const input = [0x0a, 1, 0x78, 0x12, tensor.length + values.length, ...tensor, ...values];
    const name = [...Buffer.from("to-float")];
    const spec = [0x0a, name.length, ...name];
    const message = [0x0a, spec.length, ...spec, 0x12, input.length, ...input];

    const reply = await running.caller.call("PredictionService/Predict", Uint8Array.from(message));

    expect(reply.includes(Buffer.from(Float32Array.of(1, 2, 0, -2).buffer))).toBe(true);
  });
});

// microsoft/onnxruntime#8007, triton-inference-server/onnxruntime_backend#94
describe("outputs that are not tensors", () => {
  let running: RunningServer;
  beforeAll(async () => {
    const directory = temporaryFolder();
    addModelFile(directory, "numbers", zipMapModel([3, 7]));
    addModelFile(directory, "texts", zipMapModel(["cat", "dög"]));
    const sequence = model((graph) => {
      graph.input("x", ["n"]);
      graph.op("SequenceConstruct", ["x", "x"], {}, "both");
      graph.op("Identity", ["x"], {}, "y");
      const elemType = {
        value: { case: "tensorType" as const, value: { elemType: 1 } },
      };
      graph.outputOfType("both", { value: { case: "sequenceType", value: { elemType } } });
      graph.output("y", ["n"]);
    });
    addModelFile(directory, "sequence", sequence);
    running = await startServer(directory);
  });
  afterAll(async () => {
    running.caller[Symbol.dispose]();
    await running.server.close(0);
  });
  const x = float32Tensor([2, 2], Float32Array.of(1, 0, 0, 1));

  test("labels that are numbers are answered without the maps", async () => {
    const outputs = await running.caller.score("numbers", { x });

    expect([...outputs.keys()]).toEqual(["label"]);
    expect(numbersOf(outputs.get("label"))).toEqual([3, 7]);
  });

  test("labels that are text are answered as strings", async () => {
    const outputs = await running.caller.score("texts", { x });

    expect(textsOf(outputs.get("label"))).toEqual(["cat", "dög"]);
  });

  test("a sequence of tensors is left out", async () => {
    const { caller, warnings } = running;

    const outputs = await caller.score("sequence", { x: float32Tensor([1], Float32Array.of(5)) });

    expect([...outputs.keys()]).toEqual(["y"]);
    expect(warnings.filter((text) => text.includes("sequence"))).toEqual([
      'model numbers: output "probs" is a sequence of maps and is left out',
      'model sequence: output "both" is a sequence of float tensors and is left out',
      'model texts: output "probs" is a sequence of maps and is left out',
    ]);
  });

  test.each([
    { name: "numbers", outputs: ["label"] },
    { name: "texts", outputs: ["label"] },
    { name: "sequence", outputs: ["y"] },
  ])("the signature of $name has what is answered", async ({ name, outputs }) => {
    const signature = await running.caller.signature(name);

    expect([...(signature?.outputs.keys() ?? [])]).toEqual(outputs);
  });

  test("a filter that names the maps names an unknown output", async () => {
    const status = await rejection(running.caller.score("numbers", { x }, ["probs"]));

    expect(status).toContain(`${grpcCode.INVALID_ARGUMENT} output tensor alias not found`);
  });
});

describe("strings", () => {
  let running: RunningServer;
  beforeAll(async () => {
    const directory = temporaryFolder();
    const twice = model((graph) => {
      graph.input("x", ["n"], "string");
      graph.op("StringConcat", ["x", "x"], {}, "y");
      graph.output("y", ["n"], "string");
    });
    addModelFile(directory, "twice", twice);
    running = await startServer(directory);
  });
  afterAll(async () => {
    running.caller[Symbol.dispose]();
    await running.server.close(0);
  });

  test("text goes in and comes out", async () => {
    const x = bytesTensor([2], [Buffer.from("star"), Buffer.from("mön")]);

    const outputs = await running.caller.score("twice", { x });

    expect(textsOf(outputs.get("y"))).toEqual(["starstar", "mönmön"]);
  });

  test.each([
    { what: "bytes that are not UTF-8", bytes: [0xff, 0xd8], fault: "is not UTF-8" },
    {
      what: "a NUL, at which the engine would cut the text",
      bytes: [0x61, 0, 0x62],
      fault: "has a NUL at byte 1",
    },
  ])("$what are rejected", async ({ bytes, fault }) => {
    const x = bytesTensor([1], [Uint8Array.from(bytes)]);

    expect(await rejection(running.caller.score("twice", { x }))).toBe(
      `${grpcCode.INVALID_ARGUMENT} input x[0] ${fault}: strings of a model in ONNX are text, UTF-8 without NUL`,
    );
  });
});

// triton-inference-server/onnxruntime_backend#94
describe("models that cannot be opened", () => {
  const { BFLOAT16 } = float16Of;
  const identity = (type: ElementType = "float") =>
    model((graph) => {
      graph.input("x", ["n", 4], type);
      graph.op("Identity", ["x"], {}, "y");
      graph.output("y", ["n", 4], type);
    });
  /** The operator set is the last varint of the model: 21. */
  const withOperatorSet = (version: number) => {
    const bytes = identity();
    const at = bytes.lastIndexOf(21);
    return bytes.with(at, version);
  };
  const broken: Readonly<Record<string, { bytes: Uint8Array | string; reason: RegExp }>> = {
    "bf16-output": {
      bytes: castModel(["float", ["n", 4]], ["bfloat16", BFLOAT16]),
      reason: /output "y" is a bfloat16 tensor, which ONNX Runtime for Node\.js does not support/,
    },
    "bf16-both": {
      bytes: identity("bfloat16"),
      reason: /input "x" is a bfloat16 tensor, and output "y" is a bfloat16 tensor, which/,
    },
    "newer-operators": { bytes: withOperatorSet(99), reason: /Opset 99 is under development/ },
    "unknown-operator": {
      bytes: model((graph) => {
        graph.input("x", ["n"]);
        graph.op("com.example:Frobnicate", ["x"], {}, "y");
        graph.output("y", ["n"]);
      }),
      reason: /Frobnicate.* is not a registered function\/op/,
    },
    "cut-short": {
      bytes: identity().subarray(0, 60),
      reason: /the file is not a complete ONNX model: the file is cut short/,
    },
    text: { bytes: "no model at all", reason: /the file is not a complete ONNX model/ },
    empty: { bytes: "", reason: /the file is not an ONNX model: it has no graph/ },
    "maps-only": {
      bytes: model((graph) => {
        graph.input("x", ["n", 2]);
        const keys = { classlabels_int64s: [1, 2] };
        graph.op("ai.onnx.ml:ZipMap", ["x"], keys, "probs");
        const value = { value: { case: "tensorType" as const, value: { elemType: 1 } } };
        const map = { keyType: 7, valueType: value };
        const elemType = { value: { case: "mapType" as const, value: map } };
        graph.outputOfType("probs", { value: { case: "sequenceType", value: { elemType } } });
      }),
      reason: /none of its outputs can be answered: "probs" is a sequence of maps/,
    },
  };

  test("each is reported in one line with its name, and the others are served", async () => {
    const directory = temporaryFolder();
    addHalfPlusTwo(directory, "good");
    for (const [name, { bytes }] of Object.entries(broken)) addModelFile(directory, name, bytes);

    const { server, caller, warnings } = await startServer(directory);
    onTestFinished(async () => {
      caller[Symbol.dispose]();
      await server.close(0);
    });

    expect(await caller.predict("good", { x: [2] })).toMatchObject({ values: [3] });
    expect(warnings).toHaveLength(Object.keys(broken).length);
    for (const [name, { reason }] of Object.entries(broken)) {
      const [line, ...others] = warnings.filter((text) =>
        text.startsWith(`model ${name}, version 1, cannot be served: `),
      );
      expect(others).toEqual([]);
      expect(line).toMatch(reason);
      expect(line).not.toMatch(/\n| at |onnxruntime_src/);
      const [state] = await caller.states(name);
      expect(state).toMatch(/^1 END /);
      expect(await rejection(caller.predict(name, { x: [1] }))).toContain(
        `${grpcCode.NOT_FOUND} Servable not found for request: Latest(${name})`,
      );
    }
  });

  test("a manifest that does not fit its model takes no other model along", async () => {
    const directory = temporaryFolder();
    for (const name of ["good", "no-json", "other-name", "other-type"]) {
      addHalfPlusTwo(directory, name);
    }
    const manifest = (dtype: string, output: string) =>
      JSON.stringify({
        weights: "given",
        signatures: {
          serving_default: {
            inputs: { x: { dtype, shape: [-1] } },
            outputs: { [output]: { dtype: "FP32", shape: [-1] } },
          },
        },
      });
    const place = (name: string) => join(directory, name, "1", "manifest.json");
    writeFileSync(place("no-json"), "{");
    writeFileSync(place("other-name"), manifest("FP32", "z"));
    writeFileSync(place("other-type"), manifest("INT64", "y"));

    const { server, caller, warnings } = await startServer(directory);
    onTestFinished(async () => {
      caller[Symbol.dispose]();
      await server.close(0);
    });

    expect(await caller.predict("good", { x: [2] })).toMatchObject({ values: [3] });
    expect(warnings).toEqual([
      expect.stringMatching(/^model no-json, version 1, cannot be served: .*is not valid JSON/),
      'model other-name, version 1, cannot be served: manifest.json names output "z", which the model does not have; it has "y"',
      'model other-type, version 1, cannot be served: manifest.json says that input "x" is INT64; it is FP32',
    ]);
  });

  test("the command with nothing else to serve ends with that line, and no stack", async () => {
    const directory = temporaryFolder();
    addModelFile(directory, "bf16", broken["bf16-output"]?.bytes ?? "");

    const { child, said } = tensorgate(["model-server", "--port", "0", "--models", directory]);
    const [code] = await once(child, "close");

    expect(code).toBe(1);
    expect(said.text()).toContain('model bf16, version 1, cannot be served: output "y" is');
    expect(said.text()).not.toMatch(/^\s+at /m);
  });

  test("a reload to one leaves the one before it served", async () => {
    const directory = temporaryFolder();
    addHalfPlusTwo(directory, "m");
    const { server, caller } = await startServer(directory);
    onTestFinished(async () => {
      caller[Symbol.dispose]();
      await server.close(0);
    });
    addModelFile(directory, "m", broken["bf16-output"]?.bytes ?? "", "2");

    const reloaded = caller.reload([{ name: "m", basePath: join(directory, "m") }]);

    await expect(reloaded).rejects.toThrow(broken["bf16-output"]?.reason ?? /./);
    expect(await caller.predict("m", { x: [2] })).toMatchObject({ values: [3], version: 1n });
  });
});

// triton-inference-server/onnxruntime_backend#94
describe("ranks", () => {
  test("an unknown rank is reported as unknown, and a scalar as a scalar", async () => {
    const directory = temporaryFolder();
    const passes = (shape: OnnxShape | undefined) =>
      model((graph) => {
        graph.input("x", shape);
        graph.op("Identity", ["x"], {}, "y");
        graph.output("y", shape);
      });
    addModelFile(directory, "unknown", passes(undefined));
    addModelFile(directory, "scalar", passes([]));
    const inferred = model((graph) => {
      graph.input("x", ["n", 2]);
      graph.op("Identity", ["x"], {}, "y");
      graph.output("y", undefined);
    });
    addModelFile(directory, "inferred", inferred);
    const { server, caller } = await startServer(directory);
    onTestFinished(async () => {
      caller[Symbol.dispose]();
      await server.close(0);
    });

    const shapes = async (name: string) => {
      const signature = await caller.signature(name);
      return [signature?.inputs.get("x")?.shape, signature?.outputs.get("y")?.shape];
    };

    expect(await shapes("unknown")).toEqual([undefined, undefined]);
    expect(await shapes("scalar")).toEqual([[], []]);
    expect(await shapes("inferred")).toEqual([
      [-1, 2],
      [-1, 2],
    ]);
    const x = float32Tensor([1, 1, 2], Float32Array.of(1, 2));
    expect((await caller.score("unknown", { x })).get("y")?.shape).toEqual([1, 1, 2]);
  });
});

const shared = fileURLToPath(new URL("../../../shared/cases/public/", import.meta.url));
const isHere = existsSync(shared);

test.skipIf(isHere)("the files of the reports are skipped: their folder is not here", () => {});

test.runIf(isHere)("the files of the reports are served or reported", async () => {
  const directory = temporaryFolder();
  for (const name of ["f16-input", "zipmap", "bf16-output", "unknown-rank"]) {
    addModelFile(directory, name, readFileSync(join(shared, `${name}.onnx`)));
  }
  const { server, caller, warnings } = await startServer(directory);
  onTestFinished(async () => {
    caller[Symbol.dispose]();
    await server.close(0);
  });

  const half = await caller.score("f16-input", { x: halves([1, 4], halfBits.slice(0, 4)) });
  expect(numbersOf(half.get("y"))).toEqual([1, 2, 0, -2]);
  const zipped = await caller.score("zipmap", { x: float32Tensor([1, 4], new Float32Array(4)) });
  expect([...zipped.keys()]).toEqual(["label"]);
  expect(warnings.filter((text) => text.includes("bf16-output"))).toHaveLength(1);
  expect((await caller.signature("unknown-rank"))?.inputs.get("x")?.shape).toBeUndefined();
});
