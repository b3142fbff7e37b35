import { open } from "node:fs/promises";
import { finished } from "node:stream/promises";
import { type DetectOptions, type PictureInput, ScoringClient } from "@tensorgate/client";
import { counted, listedNames } from "@tensorgate/core";
import { orCommandError } from "../call-failure.ts";
import { CommandError, UsageError } from "../command-error.ts";
import {
  alignedTable,
  commaSeparated,
  jsonLines,
  type OutcomeFormat,
  type ScoredPicture,
} from "../score/outcome-text.ts";
import { picturePaths, standardInput } from "../score/picture-paths.ts";
import { createProgressBar, timeText } from "../score/progress-bar.ts";
import { isWebAddress, remotePicture } from "../score/remote-picture.ts";
import type { Signals } from "../service/signals.ts";

export interface ScoreOptions {
  /** The only model of the gateway by default. */
  readonly model?: string;
  readonly url?: string;
  readonly key?: string;
  readonly top?: number;
  readonly minScore?: number;
  readonly region?: string;
  readonly json?: boolean;
  readonly csv?: boolean;
  /** File for the results rather than standard output. */
  readonly output?: string;
  readonly concurrency: number;
}

/**
 * Scores pictures at a gateway, and prints a line for each and a summary. The exit code is 1 if one failed, and 130 if the
 * user stopped it.
 */
export async function runScore(
  names: readonly string[],
  options: ScoreOptions,
  signals: Signals,
): Promise<void> {
  const { json = false, csv = false } = options;
  if (json && csv) throw new UsageError("set --json or --csv, not both");
  const paths = picturePaths(names);
  await using client = new ScoringClient({
    ...(options.url !== undefined && { baseUrl: options.url }),
    ...(options.key !== undefined && { apiKey: options.key }),
  });
  const model = options.model ?? (await onlyModel(client));
  const controller = new AbortController();
  const { stopped } = signals.take({ onHangup: "stop", onIgnored: () => {} });
  void stopped.then(() => controller.abort());
  const score = await scorer(client, { ...options, model, signal: controller.signal });
  const counts = await printed(score(paths), paths, { ...options, signal: controller.signal });

  const { doneCount, failedCount, durationMs } = counts;
  const perSecond = (doneCount * 1_000) / Math.max(durationMs, 1);
  const { signal } = controller;
  if (!json && !csv && doneCount > 1) {
    const failures = failedCount > 0 ? `, ${failedCount} failed` : "";
    process.stderr.write(
      `${counted(doneCount, "picture")} in ${durationMs < 10_000 ? `${(durationMs / 1_000).toFixed(1)} s` : timeText(durationMs)}, ${perSecond.toFixed(1)} a second${failures}\n`,
    );
  }
  if (signal.aborted) {
    throw new CommandError(`stopped after ${doneCount} of ${counted(paths.length, "picture")}`, {
      exitCode: 130,
    });
  }
  if (failedCount > 0) {
    throw new CommandError(
      `${failedCount} of ${counted(paths.length, "picture")} failed with model ${model}`,
    );
  }
}

/** @throws UsageError with all of them if there are several */
async function onlyModel(client: ScoringClient): Promise<string> {
  const models = await orCommandError(() => client.models.list());
  const [only] = models;
  if (only && models.length === 1) return only.name;
  throw new UsageError(
    `choose a model with --model; models of this gateway: ${listedNames(models.map(({ name }) => name))}`,
  );
}

interface PrintOptions extends Pick<ScoreOptions, "json" | "csv" | "output"> {
  readonly signal: AbortSignal;
}

/** Prints a line for each outcome, below them a bar on a terminal. @returns what there was */
async function printed(
  outcomes: AsyncIterable<ScoredPicture>,
  paths: readonly string[],
  { json = false, csv = false, output, signal }: PrintOptions,
) {
  const { stdout, stderr } = process;
  const isTable = !json && !csv;
  const isShown = output === undefined && stdout.isTTY === true;
  const format = formatOf({ json, csv }, paths, isShown && stdout.hasColors());
  const file = output === undefined ? undefined : await fileFor(output);
  const results = file?.stream ?? stdout;
  // No bar between lines for a program on a terminal.
  const bar = createProgressBar(paths.length, isTable || !isShown ? stderr : silent);
  const say = (line: string) => bar.print(() => void results.write(`${line}\n`));
  const counts = { doneCount: 0, failedCount: 0, durationMs: 0 };
  const startedMs = performance.now();
  if (format.head) say(format.head);
  for await (const outcome of outcomes) {
    // What was under way is no failure of the picture.
    if (signal.aborted) break;
    const hasFailed = "error" in outcome;
    counts.doneCount += 1;
    counts.failedCount += hasFailed ? 1 : 0;
    say(format.line(outcome));
    bar.advance(hasFailed);
  }
  bar.end();
  counts.durationMs = performance.now() - startedMs;
  if (file) {
    file.stream.end();
    await file.ended;
  }
  return counts;
}

/** Opens the file for the results, before any picture is scored. @throws CommandError if it cannot be written */
async function fileFor(output: string) {
  const explained = (thrown: Error) => {
    throw new CommandError(`cannot write ${output}: ${thrown.message}`);
  };
  const handle = await open(output, "w").catch(explained);
  const stream = handle.createWriteStream();
  const ended = finished(stream).catch(explained);
  // A disk that is full ends the stream before anyone waits for its end.
  ended.catch(() => {});
  return { stream, ended };
}

function formatOf(
  { json, csv }: { readonly json: boolean; readonly csv: boolean },
  paths: readonly string[],
  hasColours: boolean,
): OutcomeFormat {
  if (json) return jsonLines;
  return csv ? commaSeparated : alignedTable(paths, hasColours);
}

const silent = { write: () => {} };

interface ScorerOptions extends ScoreOptions {
  readonly model: string;
  readonly signal: AbortSignal;
}

type ScorePaths = (paths: readonly string[]) => AsyncGenerator<ScoredPicture, void, undefined>;

/** Detects objects if the model supports that, and classifies otherwise. @throws CommandError */
async function scorer(client: ScoringClient, options: ScorerOptions): Promise<ScorePaths> {
  const { model, top, minScore, region, concurrency, signal } = options;
  const { tasks } = await orCommandError(() => client.models.get(model));
  const each: DetectOptions = {
    ...(minScore !== undefined && { minScore }),
    ...(region !== undefined && { region }),
  };
  const all = { ...each, concurrency, signal };
  if (tasks.includes("detect")) {
    const selection = { ...all, ...(top !== undefined && { maxDetections: top }) };
    return async function* (paths) {
      const { inputs, nameOf } = inputsFrom(paths, signal);
      for await (const outcome of client.detectAll(model, inputs, selection)) {
        const input = nameOf(outcome.input);
        yield outcome.ok ? { input, boxes: outcome.value.boxes } : { input, error: outcome.error };
      }
    };
  }
  if (!tasks.includes("classify")) {
    throw new CommandError(
      `model ${model} returns neither labels nor boxes; its tasks: ${tasks.join(", ")}`,
    );
  }
  const selection = { ...all, ...(top !== undefined && { topK: top }) };
  return async function* (paths) {
    const { inputs, nameOf } = inputsFrom(paths, signal);
    for await (const outcome of client.classifyAll(model, inputs, selection)) {
      const input = nameOf(outcome.input);
      yield outcome.ok ? { input, labels: outcome.value } : { input, error: outcome.error };
    }
  };
}

/** Inputs of the client, and the names by which the user knows them. */
function inputsFrom(paths: readonly string[], signal: AbortSignal) {
  const names = new Map<PictureInput, string>();
  const inputs = paths.map((path): PictureInput => {
    if (path !== standardInput && !isWebAddress(path)) return path;
    const input = path === standardInput ? process.stdin : remotePicture(path, signal);
    names.set(input, path);
    return input;
  });
  return { inputs, nameOf: (input: PictureInput) => names.get(input) ?? String(input) };
}
