import { type DetectOptions, ScoringClient, ScoringError } from "@tensorgate/client";
import { counted } from "@tensorgate/core";
import { CommandError } from "../command-error.ts";
import {
  alignedTable,
  commaSeparated,
  jsonLines,
  type ScoredPicture,
} from "../score/outcome-text.ts";
import { picturePaths, standardInput } from "../score/picture-paths.ts";
import { createProgressBar } from "../score/progress-bar.ts";

export interface ScoreOptions {
  readonly model: string;
  readonly url?: string;
  readonly key?: string;
  readonly top?: number;
  readonly minScore?: number;
  readonly region?: string;
  readonly json?: boolean;
  readonly csv?: boolean;
  readonly concurrency: number;
}

/** Scores pictures at a gateway, and prints a line for each; the exit code is 1 if one failed. */
export async function runScore(names: readonly string[], options: ScoreOptions): Promise<void> {
  const { model, json = false, csv = false, concurrency } = options;
  if (json && csv) throw new CommandError("set --json or --csv, not both");
  const paths = picturePaths(names);
  await using client = new ScoringClient({
    ...(options.url !== undefined && { baseUrl: options.url }),
    ...(options.key !== undefined && { apiKey: options.key }),
  });
  const score = await scorer(client, options);

  const isForPeople = !json && !csv;
  const { stdout, stderr } = process;
  const hasColours = stdout.isTTY === true && stdout.hasColors();
  const format = json ? jsonLines : csv ? commaSeparated : alignedTable(paths, hasColours);
  // No bar between lines for a program on a terminal.
  const bar = createProgressBar(paths.length, isForPeople || !stdout.isTTY ? stderr : silent);
  const say = (line: string) => bar.print(() => void stdout.write(`${line}\n`));
  if (format.head) say(format.head);
  let failedCount = 0;
  for await (const outcome of score(paths, concurrency)) {
    const hasFailed = "error" in outcome;
    failedCount += hasFailed ? 1 : 0;
    say(format.line(outcome));
    bar.advance(hasFailed);
  }
  bar.end();
  if (failedCount > 0) {
    throw new CommandError(
      `${failedCount} of ${counted(paths.length, "picture")} failed with model ${model}`,
    );
  }
}

const silent = { write: () => {} };

type ScorePaths = (
  paths: readonly string[],
  concurrency: number,
) => AsyncGenerator<ScoredPicture, void, undefined>;

/** Detects objects if the model supports that, and classifies otherwise. @throws CommandError */
async function scorer(client: ScoringClient, options: ScoreOptions): Promise<ScorePaths> {
  const { model, top, minScore, region } = options;
  const { tasks } = await orCommandError(() => client.models.get(model));
  const each: DetectOptions = {
    ...(minScore !== undefined && { minScore }),
    ...(region !== undefined && { region }),
  };
  if (tasks.includes("detect")) {
    const selection = { ...each, ...(top !== undefined && { maxDetections: top }) };
    return async function* (paths, concurrency) {
      for await (const outcome of client.detectAll(model, inputs(paths), {
        ...selection,
        concurrency,
      })) {
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
  const selection = { ...each, ...(top !== undefined && { topK: top }) };
  return async function* (paths, concurrency) {
    for await (const outcome of client.classifyAll(model, inputs(paths), {
      ...selection,
      concurrency,
    })) {
      const input = nameOf(outcome.input);
      yield outcome.ok ? { input, labels: outcome.value } : { input, error: outcome.error };
    }
  };
}

type Input = string | typeof process.stdin;

const inputs = (paths: readonly string[]): readonly Input[] =>
  paths.map((path) => (path === standardInput ? process.stdin : path));

const nameOf = (input: Input): string => (typeof input === "string" ? input : standardInput);

/** Converts a failure of the call to a CommandError. */
async function orCommandError<Answer>(call: () => Promise<Answer>): Promise<Answer> {
  try {
    return await call();
  } catch (thrown) {
    throw ScoringError.is(thrown) ? new CommandError(thrown.message) : thrown;
  }
}
