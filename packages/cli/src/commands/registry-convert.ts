import { spawn } from "node:child_process";
import { counted } from "@tensorgate/core";
import { testPicture } from "@tensorgate/gateway";
import type {
  ConversionJob,
  ConversionResult,
  ConversionTensor,
  PreprocessingCheck,
} from "@tensorgate/model-server";
import { type Job, type JobLimits, openJobs, type Registry } from "@tensorgate/registry";
import { CommandError } from "../command-error.ts";
import { importModelServer } from "../import-model-server.ts";
import { preprocessingText } from "../registry/preprocessing-text.ts";
import {
  type CommandResult,
  onRegistry,
  type RegistryOptions,
} from "../registry/registry-command.ts";
import type { Signals } from "../service/signals.ts";
import { labelsFrom } from "./add-model.ts";
import { endOf } from "./job.ts";

export interface ConvertCommandOptions extends RegistryOptions {
  readonly signature?: string;
  readonly inputs?: readonly string[];
  readonly outputs?: readonly string[];
  readonly labels?: string;
  readonly maxNodes?: number;
  /** In MB. */
  readonly memory?: number;
  /** In milliseconds. */
  readonly timeout?: number;
  readonly wait: boolean;
}

/** Converts a version to ONNX as a job, and waits for its end unless `--no-wait` is given. */
export async function runRegistryConvert(
  reference: string,
  options: ConvertCommandOptions,
  signals: Signals,
): Promise<void> {
  if (!options.wait) return onRegistry(options, (registry) => startedJob(registry, reference));
  const { convertVersion } = await importModelServer();
  const abort = new AbortController();
  // The job is ended with its supervisor, and says so in its record.
  const { stopped } = signals.take({ onHangup: "stop", onIgnored: () => {} });
  void stopped.then(() => abort.abort());
  let ended: ConversionJob | undefined;
  await onRegistry(options, async (registry) => {
    const { signature, inputs, outputs, labels, maxNodes } = options;
    using line = createStepLine();
    ended = await convertVersion(registry.directory, reference, {
      signature,
      inputs,
      outputs,
      labels: labels === undefined ? undefined : labelsFrom(labels),
      limits: maxNodes === undefined ? undefined : { maxNodes },
      picture: testPicture,
      jobLimits: jobLimitsFrom(options),
      onJob: line.onJob,
      signal: abort.signal,
    });
    return ended.state === "done" ? resultOf(ended) : { lines: [], values: [ended] };
  });
  if (ended && ended.state !== "done") {
    throw new CommandError(`job ${ended.id} (convert ${ended.reference}) ${endOf(ended)}`);
  }
}

function jobLimitsFrom({ memory, timeout }: ConvertCommandOptions): JobLimits {
  return {
    ...(memory !== undefined && { maxMemoryBytes: memory * 1e6 }),
    ...(timeout !== undefined && { maxDurationMs: timeout }),
  };
}

/** The step of a job, in the last line of a terminal. */
function createStepLine(): Disposable & { readonly onJob: (job: Job) => void } {
  const clear = "\r\u001b[2K";
  const { stderr } = process;
  return {
    onJob: ({ id, step }) => {
      if (stderr.isTTY) stderr.write(`${clear}job ${id}: ${step}`);
    },
    [Symbol.dispose]: () => {
      if (stderr.isTTY) stderr.write(clear);
    },
  };
}

function resultOf(job: ConversionJob): CommandResult {
  const { result } = job;
  const lines = result ? resultLines(result, job) : [];
  return { lines, values: [job] };
}

function resultLines(result: ConversionResult, job: Job): readonly string[] {
  const { nodeCount, parameterCount, inputs, outputs, warnings } = result;
  const { preprocessing, preprocessingCheck: check } = result;
  const found = check ? `found in the graph, ${checkText(check)}` : "found in the graph";
  const picture = preprocessing
    ? [`  ${inputs[0]?.name}: ${preprocessingText(preprocessing)} (${found})`]
    : [];
  return [
    ...picture,
    `  ${inputs.map(tensorText).join(", ")} → ${outputs.map(tensorText).join(", ")}`,
    ...warnings.map((text) => `  warning: ${text}`),
    `  ${nodeCount} nodes, ${countText(parameterCount)} parameters, checked by ONNX Runtime; job ${job.id} ${endOf(job)}, log ${job.log}`,
  ];
}

/** Prints a difference that shows in four decimals of a pixel's value. */
function checkText({ pictureCount, maxDifference }: PreprocessingCheck): string {
  const images = counted(pictureCount, "image");
  return maxDifference < 0.000_05
    ? `equal on ${images}`
    : `equal on ${images} up to ${maxDifference.toFixed(4)} of 255`;
}

const tensorText = ({ name, dtype, shape }: ConversionTensor) =>
  `${name} ${dtype} [${shape?.map((extent) => (extent === -1 ? "?" : extent)).join(", ") ?? "?"}]`;

function countText(count: number): string {
  return count < 1e6 ? String(count) : `${(count / 1e6).toFixed(1)} M`;
}

/** Starts this command again as a process that outlives this one, and waits until its job exists. */
async function startedJob(registry: Registry, reference: string): Promise<CommandResult> {
  const { name, version } = await registry.version(reference);
  const jobs = openJobs(registry.directory);
  const ofVersion = async () =>
    (await jobs.list()).filter((job) => job.reference === `${name}@${version}`);
  const before = new Set((await ofVersion()).map(({ id }) => id));
  const args = process.argv.slice(1).filter((arg) => arg !== "--no-wait");
  const child = spawn(process.execPath, [...process.execArgv, ...args], {
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (piece: Buffer) => {
    said += piece;
  });
  const ended = new Promise<"ended">((resolve) => child.once("exit", () => resolve("ended")));
  for (;;) {
    const job = (await ofVersion()).find(({ id }) => !before.has(id));
    if (job) {
      child.stderr.destroy();
      child.unref();
      const lines = [
        `job ${job.id} (convert ${job.reference}) is running; follow it: tensorgate job wait ${job.id}`,
      ];
      return { lines, values: [job] };
    }
    const pause = new Promise<"paused">((resolve) => setTimeout(resolve, 50, "paused"));
    if (
      (await Promise.race([ended, pause])) === "ended" &&
      (await ofVersion()).length === before.size
    ) {
      throw new CommandError(
        said.trim().replace(/^tensorgate: /, "") || "the conversion did not start",
      );
    }
  }
}
