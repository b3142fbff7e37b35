import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { bundledModelsDirectory, startModelServer } from "@tensorgate/model-server";
import { ModelProtoSchema } from "@tensorgate/proto/onnx/onnx";
import { teach } from "@tensorgate/teaching";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { samplePicture } from "../support/pictures.ts";
import { openGateway, type RunningGateway, shapesModel } from "../support/running-gateway.ts";

// Versions of the model for drawn symbols as ONNX files in one server: the bundled one, one that was trained badly, one
// whose labels are permuted, and one that is as good as the first.

const { labels = [] } = shapesModel();
const classes = labels as readonly string[];
const folder = mkdtempSync(join(tmpdir(), "tensorgate-rollout-"));
const bundled = join(bundledModelsDirectory, "shapes", "1");
/** Every version of it. */
const served = {
  name: "shapes",
  basePath: join(folder, "shapes"),
  versionPolicy: { kind: "all" },
} as const;
const stack = new AsyncDisposableStack();
let running: RunningGateway;

interface HeadWeights {
  readonly weights: Float32Array;
  readonly bias: Float32Array;
}

/** Writes a version: the bundled model with another last layer. */
function writeVersion(version: number, change: (head: HeadWeights) => HeadWeights): void {
  const model = fromBinary(ModelProtoSchema, readFileSync(join(bundled, "model.onnx")));
  const constant = (name: string) => {
    const found = model.graph?.initializer.find((each) => each.name === name);
    if (!found) throw new Error(`the model has no constant ${name}`);
    return found;
  };
  const [weights, bias] = [constant("head_weights"), constant("head_bias")];
  const changed = change({ weights: floats(weights.rawData), bias: floats(bias.rawData) });
  weights.rawData = bytes(changed.weights);
  bias.rawData = bytes(changed.bias);
  const place = join(folder, "shapes", String(version));
  mkdirSync(place, { recursive: true });
  cpSync(join(bundled, "manifest.json"), join(place, "manifest.json"));
  writeFileSync(join(place, "model.onnx"), toBinary(ModelProtoSchema, model));
}

const floats = (raw: Uint8Array) => new Float32Array(Uint8Array.from(raw).buffer);
const bytes = ({ buffer }: Float32Array) => new Uint8Array(buffer as ArrayBuffer);

/** Rows of a layer, each moved to the next class. */
function permuted({ weights, bias }: HeadWeights): HeadWeights {
  const width = weights.length / bias.length;
  const from = (row: number) => (row + 1) % bias.length;
  return {
    weights: weights.map((_, at) => {
      const row = Math.floor(at / width);
      return weights[from(row) * width + (at % width)] ?? 0;
    }),
    bias: bias.map((_, row) => bias[from(row)] ?? 0),
  };
}

/** What a few turned pictures teach, of which three in four have the label of another. */
async function trainedBadly(url: string): Promise<HeadWeights> {
  const examples = [];
  for (const [own, label] of classes.entries()) {
    for (const [turn, degrees] of [-8, -4, 4, 8].entries()) {
      const picture = await sharp(samplePicture(label)).rotate(degrees).png().toBuffer();
      const body = new Uint8Array(picture);
      const response = await fetch(`${url}/v1/embed/shapes`, { method: "POST", body });
      const { results } = (await response.json()) as { results: [{ features: number[] }] };
      const classIndex = (own + 5 * turn) % classes.length;
      const features = Float32Array.from(results[0].features);
      examples.push({ id: `${label} ${degrees}`, classIndex, features });
    }
  }
  return teach(examples, { classes }).head;
}

beforeAll(async () => {
  writeVersion(1, (head) => head);
  const server = await startModelServer({ port: 0, models: served });
  stack.defer(() => server.close(0));
  const region = "westeurope";
  const options = {
    models: [{ ...shapesModel(), labels }],
    pools: [{ model: "shapes", region, replicas: [`127.0.0.1:${server.port}`] }],
    routing: { probeIntervalMs: 50 },
    rollouts: { intervalMs: 100 },
  };
  running = stack.use(await openGateway(options));
  await running.gateway.ready();
  const bad = await trainedBadly(running.url);
  await running[Symbol.asyncDispose]();
  await server.close(0);

  writeVersion(2, () => bad);
  writeVersion(3, permuted);
  writeVersion(4, ({ weights, bias }) => ({ weights: weights.map((each) => each * 1.01), bias }));
  const all = await startModelServer({ port: 0, models: served });
  stack.defer(() => all.close(0));
  const pools = [{ model: "shapes", region, replicas: [`127.0.0.1:${all.port}`] }];
  running = stack.use(await openGateway({ ...options, pools }));
  await running.gateway.ready();
});
afterAll(async () => {
  await stack.disposeAsync();
  rmSync(folder, { recursive: true });
});

/** Calls, five at a time, until no rollout is under way. */
async function callsUntilOver(most: number) {
  const counts = { calls: 0, failed: 0 };
  const ask = async () => {
    const label = classes[counts.calls % classes.length] ?? "";
    counts.calls += 1;
    const body = samplePicture(label);
    const response = await fetch(`${running.url}/v1/classify/shapes`, { method: "POST", body });
    if (response.status !== 200) counts.failed += 1;
    await response.arrayBuffer();
  };
  while (counts.calls < most && running.gateway.rollouts.list()[0]?.running) {
    await Promise.all(Array.from({ length: 5 }, ask));
  }
  return counts;
}

const plan = {
  from: "1",
  steps: [5, 25, 50, 100],
  abortIf: ["failures>1%", "top1<0.98"],
  shadowShare: 0.5,
};

test.each([
  { to: "2", what: "trained badly" },
  { to: "3", what: "with permuted labels" },
])(
  "a model $what is aborted by its top-1 agreement within 500 calls, and none fails",
  async ({ to }) => {
    running.gateway.rollouts.start("shapes", { ...plan, to, everyMs: 600_000 });

    const { calls, failed } = await callsUntilOver(500);

    expect(failed).toBe(0);
    expect(calls).toBeLessThan(500);
    const { history = [], weights } = running.gateway.rollouts.list()[0] ?? {};
    expect(history.at(-1)?.text).toMatch(/^aborted: top1<98% holds/);
    expect(weights).toEqual({ 1: 1 });
  },
);

test("a model that is as good gets all calls, and none fails", async () => {
  running.gateway.rollouts.start("shapes", { ...plan, to: "4", everyMs: 400 });

  const { failed } = await callsUntilOver(20_000);

  expect(failed).toBe(0);
  const { history = [], weights } = running.gateway.rollouts.list()[0] ?? {};
  expect(history.at(-1)?.text).toBe("completed: version 4 gets all calls");
  expect(weights).toEqual({ 4: 1 });
});
