import { execFile } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

export interface Load {
  readonly url: string;
  readonly bodyFile: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly http: "1.1" | "2";
  /** Requests that are in flight at the same time. */
  readonly inFlight: number;
  readonly requestCount: number;
}

export interface LoadResult {
  /** Requests that were answered with status 200. */
  readonly answeredCount: number;
  /** Bytes of all response bodies. */
  readonly bodyBytes: number;
  readonly seconds: number;
  readonly medianMs: number;
  readonly p99Ms: number;
}

/** Streams on one connection of HTTP/2: fewer than what servers allow. */
const maxStreamsPerConnection = 64;

/** Sends requests by h2load, from the core of the load. */
export async function runLoad(load: Load, folder: string, core: number): Promise<LoadResult> {
  const log = join(folder, "h2load.log");
  rmSync(log, { force: true });
  const connections =
    load.http === "1.1" ? load.inFlight : Math.ceil(load.inFlight / maxStreamsPerConnection);
  const shape =
    load.http === "1.1" ? ["--h1"] : ["-m", String(Math.ceil(load.inFlight / connections))];
  const headers = Object.entries(load.headers).flatMap(([name, value]) => [
    "-H",
    `${name}: ${value}`,
  ]);
  const { stdout } = await promisify(execFile)("taskset", [
    ...["-c", String(core), "h2load", ...shape],
    ...["-c", String(connections), "-n", String(load.requestCount)],
    ...["-d", load.bodyFile, "--log-file", log, ...headers, load.url],
  ]);
  return readLoadResult(stdout, readFileSync(log, "utf8"));
}

/**
 * Counts the answers that are no errors.
 *
 * @param answerBytes - length of a right answer, if errors have status 200 as well: their bodies are shorter
 */
export function okCountOf(
  { answeredCount, bodyBytes }: LoadResult,
  answerBytes: number | undefined,
): number {
  return answerBytes === undefined
    ? answeredCount
    : Math.min(answeredCount, Math.floor(bodyBytes / answerBytes));
}

/**
 * @param report - what h2load prints
 * @param log - its log: for each request when it began, its status and how long it took, in microseconds
 */
export function readLoadResult(report: string, log: string): LoadResult {
  const finished = /finished in ([\d.]+)(us|ms|s|m)\b/.exec(report);
  const traffic = /\((\d+)\) data$/m.exec(report);
  if (!finished || !traffic) throw new Error(`h2load did not finish: ${report.slice(-500)}`);
  const unit = { us: 1e-6, ms: 1e-3, s: 1, m: 60 }[finished[2] as "us" | "ms" | "s" | "m"];
  const durationsMs = log
    .split("\n")
    .map((line) => line.split("\t"))
    .filter(([, status]) => status === "200")
    .map(([, , micros]) => Number(micros) / 1_000)
    .sort((a, b) => a - b);
  const at = (share: number) => durationsMs[Math.floor(durationsMs.length * share)] ?? 0;
  return {
    answeredCount: durationsMs.length,
    bodyBytes: Number(traffic[1]),
    seconds: Number(finished[1]) * unit,
    medianMs: at(0.5),
    p99Ms: at(0.99),
  };
}
