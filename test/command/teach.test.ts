import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manualClock } from "@tensorgate/core/testing";
import { parseHead } from "@tensorgate/teaching";
import { afterAll, beforeAll, expect, test } from "vitest";
import { watchHeads } from "../../packages/cli/src/heads/watch-heads.ts";
import { runInProcess } from "../support/in-process-command.ts";
import {
  type RunningGateway,
  shapesModel,
  startShapesGateway,
} from "../support/running-gateway.ts";
import { symbolNames, writeSymbols } from "../support/unseen-symbols.ts";

let folder: string;
let running: RunningGateway;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tensorgate-teach-"));
  running = await startShapesGateway();
  await writeSymbols(join(folder, "train"), { perClass: 20, seed: 1 });
  await writeSymbols(join(folder, "unseen"), { perClass: 20, seed: 2 });
}, 60_000);
afterAll(async () => {
  await running[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const registry = () => join(folder, "registry");

function teach(name: string, ...args: readonly string[]) {
  const usual = ["--from", join(folder, "train"), "--features", "shapes", "--url", running.url];
  return runInProcess(["teach", name, ...usual, "--registry", registry(), ...args]);
}

test("eight symbols that the backbone never saw are distinguished, with 20 pictures of each", async () => {
  const log = { info: () => {}, warn: (text: string) => expect(text).toBe("") };
  const clock = manualClock();
  using heads = await watchHeads({
    directory: registry(),
    configured: () => [shapesModel()],
    log,
    clock,
  });
  // As `serve --registry` does, once a second.
  heads.watch(() => {
    const { replicas } = currentPool();
    running.gateway.reload({
      region: "westeurope",
      listen: { port: 0 },
      models: [shapesModel(), ...heads.models],
      pools: [{ model: "shapes", region: "westeurope", replicas }],
    });
  });
  const ticking = setInterval(() => clock.advance(1_000), 50);
  let taught: Awaited<ReturnType<typeof teach>>;
  try {
    taught = await teach("symbols", "--merge", "--alias", "champion");
  } finally {
    clearInterval(ticking);
  }
  const { code, stdout, stderr } = taught;
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(
    /^ell 20, equals 20, .* pictures; features \d+\.\d s; trained \d+\.\d s\n/,
  );
  expect(stdout).toMatch(
    /held out: \d+ of 32 right \(\d+ %, 95 % interval \d+–\d+\); 5-fold \d+ %/,
  );
  expect(stdout).toMatch(
    /registered symbols@1; try it: tensorgate score .*\.jpg --model symbols\n$/,
  );

  const scored = await runInProcess([
    ...["score", join(folder, "unseen"), "--model", "symbols", "--url", running.url],
    ...["--top", "1", "--json"],
  ]);
  const lines = scored.stdout.trimEnd().split("\n");
  expect(lines).toHaveLength(8 * 20);
  const right = lines.filter((line) => {
    const { input, labels } = JSON.parse(line);
    return input.includes(`/${labels[0].label}/`);
  });
  expect(right.length / lines.length).toBeGreaterThanOrEqual(0.95);

  const head = parseHead(readFileSync(join(registry(), "symbols/1/head.json"), "utf8"));
  expect(head.classes).toEqual([...symbolNames].sort());
  expect(head.report?.heldOut?.count).toBe(32);
  expect(existsSync(join(registry(), "symbols/1/model.onnx"))).toBe(true);
  const shown = await runInProcess([
    "registry",
    "show",
    "symbols@champion",
    "--registry",
    registry(),
  ]);
  expect(shown.stdout).toMatch(/backbone.*shapes@1/);

  function currentPool() {
    const status = running.gateway.status();
    const replicas = status.regions.flatMap(({ pools }) =>
      pools.flatMap((pool) => pool.replicas.map(({ address }) => address ?? "")),
    );
    return { replicas };
  }
}, 60_000);

test("the same pictures give the same head, as the next version", async () => {
  const head = () => readFileSync(join(registry(), "again/1/head.json"), "utf8");
  const { code, stdout } = await teach("again", "--holdout", "0", "--json");
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ name: "again", version: "1", isServed: false });
  await teach("again", "--holdout", "0");
  expect(readFileSync(join(registry(), "again/2/head.json"), "utf8")).toBe(head());
}, 60_000);

test.each([
  { args: ["--from", "FOLDER/nowhere"], says: /nowhere: no such folder/ },
  {
    args: ["--from", "FOLDER/train/ring"],
    says: /has no folders; expected a folder for each class/,
  },
  { args: ["--features", "nowhere"], says: /unknown model "nowhere"/ },
  { args: ["--url", "http://127.0.0.1:9"], says: /cannot be reached/ },
  { args: ["--holdout", "2"], says: /from 0 to 0.9/ },
  { args: ["--from", "FOLDER/empty"], says: /empty\/a has no pictures/ },
])("what cannot be taught is explained: $says", async ({ args, says }) => {
  mkdirSync(join(folder, "empty/a"), { recursive: true });
  mkdirSync(join(folder, "empty/b"), { recursive: true });
  const { code, stderr } = await teach("x", ...args.map((arg) => arg.replace("FOLDER", folder)));
  expect(code).toBeGreaterThan(0);
  expect(stderr).toMatch(says);
});

test("a damaged head is named and not served, and others are", async () => {
  const warnings: string[] = [];
  const damaged = join(registry(), "again/2/head.json");
  writeFileSync(damaged, "{}");
  using heads = await watchHeads({
    directory: registry(),
    configured: () => [shapesModel()],
    log: { info: () => {}, warn: (text) => void warnings.push(text) },
    clock: manualClock(),
  });
  expect(warnings).toEqual([
    expect.stringMatching(/again\/2\/head\.json is not served: not a head/),
  ]);
  expect(heads.models.map(({ name }) => name)).toEqual(["again", "symbols"]);
});

test.each([
  { args: ["bad name!"], says: /invalid model name "bad name!"/ },
  { args: ["x", "--alias", "bad alias"], says: /invalid alias "bad alias"/ },
  { args: ["x", "--merge", "nowhere.onnx"], says: /--merge nowhere.onnx: no such file/ },
])(
  "what could not be registered is reported before features are read: $says",
  async ({ args, says }) => {
    const [name = "", ...more] = args;
    const { code, stdout, stderr } = await teach(name, ...more);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(says);
  },
);

test("a registry that is no folder is reported without a stack", async () => {
  const file = join(folder, "file");
  writeFileSync(file, "no folder");
  const { code, stderr } = await teach("x", "--registry", join(file, "registry"));
  expect(code).toBe(1);
  expect(stderr).toMatch(/^tensorgate: cannot register x in .*: ENOTDIR/);
});
