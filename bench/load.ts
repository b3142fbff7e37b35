import { execFile } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

export interface Load {
  readonly url: string;
  readonly bodyFile: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly isHttp1: boolean;
  /** Requests that are out at the same time. */
  readonly concurrency: number;
  readonly seconds: number;
}

export interface LoadResult {
  readonly requestsPerSecond: number;
  readonly requestCount: number;
  readonly medianMs: number;
  readonly p99Ms: number;
}

/** Loads a server by h2load, from the second core; every request must be answered by a 200. */
export async function runLoad(load: Load, folder: string): Promise<LoadResult> {
  const log = join(folder, "h2load.log");
  rmSync(log, { force: true });
  const shape = load.isHttp1
    ? ["--h1", "-c", String(load.concurrency)]
    : ["-c", "1", "-m", String(load.concurrency)];
  const headers = Object.entries(load.headers).flatMap(([name, value]) => [
    "-H",
    `${name}: ${value}`,
  ]);
  const time = ["-D", String(load.seconds), "--warm-up-time", "1"];
  const args = ["-c", "1", "h2load", ...shape, ...time, "-d", load.bodyFile, "--log-file", log];
  await promisify(execFile)("taskset", [...args, ...headers, load.url]);

  // A line per request: when it began, its status, how long it took, in microseconds.
  const lines = readFileSync(log, "utf8").trimEnd().split("\n");
  const requests = lines.map((line) => line.split("\t").map(Number));
  const answered = requests.filter(([, status]) => status === 200);
  // Those that were out when the time was over are cut, and logged without a status.
  const failedCount = requests.length - answered.length;
  if (failedCount > load.concurrency) {
    throw new Error(`${failedCount} of ${requests.length} requests failed at ${load.url}`);
  }
  const durations = answered.map(([, , micros = 0]) => micros / 1_000).sort((a, b) => a - b);
  const at = (share: number) => durations[Math.floor(durations.length * share)] ?? Number.NaN;
  return {
    requestCount: answered.length,
    requestsPerSecond: answered.length / load.seconds,
    medianMs: at(0.5),
    p99Ms: at(0.99),
  };
}
