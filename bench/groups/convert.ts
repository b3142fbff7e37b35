import { spawn } from "node:child_process";
import { existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { MissingPeer } from "../launch/peer.ts";
import { copySources, peerFolder, runStep } from "../launch/peer-folder.ts";
import { nodeCommand } from "../process.ts";
import { type Figures, type Row, summarizeRounds } from "../statistics.ts";
import type { Group, GroupContext } from "./group.ts";

/** Applications of Keras: a small and a large graph of many operators. */
const models = ["MobileNetV2", "ResNet50"];
const rowOf = (model: string) => `convert-${model.toLowerCase()}`;

/** Conversions of a SavedModel to ONNX, beside tf2onnx: whole processes, from their start to the file. */
export const convert: Group = {
  name: "convert",
  rows: models.map(rowOf),
  run: async (context) => {
    const made = await setUp().catch((error: unknown) => {
      if (!(error instanceof MissingPeer)) throw error;
      // The models are made by TensorFlow, too.
      for (const subject of Object.keys(converters)) context.skip(subject, error.message);
      return undefined;
    });
    if (!made) return [];
    const rows: Row[] = [];
    for (const model of models.filter((each) => context.isWanted(rowOf(each)))) {
      rows.push(...(await measured(model, context)));
    }
    return rows;
  },
};

const folder = peerFolder("convert");
const python = join(folder, "venv", "bin", "python");
const modelFolder = (model: string) => join(folder, "models", model);

type Command = readonly [string, ...string[]];

/** Commands that read a SavedModel and write ONNX. */
const converters: Readonly<Record<string, (from: string, to: string) => Command>> = {
  tensorgate: (from, to) => {
    const [node = "", ...script] = nodeCommand("subjects/convert-model.ts", "built");
    return [node, ...script, from, to];
  },
  tf2onnx: (from, to) => [
    python,
    ...["-m", "tf2onnx.convert", "--opset", "17"],
    ...["--saved-model", from, "--output", to],
  ],
};

/** @throws MissingPeer if TensorFlow or tf2onnx cannot be installed */
async function setUp(): Promise<true> {
  copySources("convert");
  if (!existsSync(python)) await runStep(folder, ["python3", "-m", "venv", "venv"]);
  const install = [python, "-m", "pip", "install", "--quiet"] as const;
  await runStep(folder, [...install, "-r", "requirements.txt"]);
  // tf2onnx asks for an older protobuf than TensorFlow, and works with the newer one.
  await runStep(folder, [...install, "--no-deps", "-r", "converters.txt"]);
  for (const model of models) {
    if (existsSync(modelFolder(model))) continue;
    const unfinished = `${modelFolder(model)}.unfinished`;
    rmSync(unfinished, { recursive: true, force: true });
    await runStep(folder, [python, "make_model.py", model, unfinished]);
    renameSync(unfinished, modelFolder(model));
  }
  return true;
}

async function measured(
  model: string,
  { settings, core, say, folder: scratch }: GroupContext,
): Promise<readonly Row[]> {
  const rounds = new Map<string, Figures[]>();
  // Files are read from the cache of the system in each round that counts.
  for (let round = -1; round < settings.rounds; round += 1) {
    say(`${rowOf(model)}, round ${round}`);
    for (const [subject, command] of Object.entries(converters)) {
      const to = join(scratch, `${subject}-${model}`);
      const figures = await costOf(command(modelFolder(model), to), core);
      rmSync(to, { recursive: true });
      if (round >= 0) rounds.set(subject, [...(rounds.get(subject) ?? []), figures]);
    }
  }
  return [...rounds].map(([subject, each]) => summarizeRounds(rowOf(model), subject, each));
}

/** Interval at which the peak of memory is read, in milliseconds. Linux keeps the peak itself. */
const lookMs = 10;

/** Runs a command on one core to its end. @throws Error if it fails */
function costOf([program, ...args]: Command, core: number): Promise<Figures> {
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: "3", CUDA_VISIBLE_DEVICES: "" };
  const startedMs = performance.now();
  const child = spawn("taskset", ["-c", String(core), program, ...args], {
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let peakKib = 0;
  let said = "";
  child.stderr.on("data", (piece: Buffer) => {
    said = (said + piece).slice(-2_000);
  });
  const looking = setInterval(() => {
    peakKib = Math.max(peakKib, peakKibOf(child.pid));
  }, lookMs);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => {
      clearInterval(looking);
      const seconds = (performance.now() - startedMs) / 1_000;
      if (code === 0) resolve({ seconds, peakMiB: peakKib / 1_024 });
      else reject(new Error(`${program} ended with ${code}: ${said}`));
    });
  });
}

/** @see proc(5), `VmHWM` */
function peakKibOf(pid: number | undefined): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
  } catch {
    return 0;
  }
}
