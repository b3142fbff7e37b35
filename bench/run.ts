// Times the way of a picture through the gateway, beside its peers, in turns within one run.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { writeFixture } from "./fixture.ts";
import { type LoadResult, runLoad } from "./load.ts";
import { machineFacts } from "./machine.ts";
import { startNginx } from "./nginx.ts";
import { type PinnedProcess, startScript } from "./process.ts";

const { values: flags } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
  },
});
const rounds = flags.quick ? 2 : 5;
const seconds = flags.quick ? 3 : 6;
const concurrency = 16;

/** The gateways run on the first core; the load and the backend share the second. */
const gatewayCore = 0;
const loadCore = 1;

assertTools(["h2load", "nginx", "taskset"]);
const folder = mkdtempSync(join(tmpdir(), "tensorgate-bench-"));
const fixture = writeFixture(folder);
const say = (line: string) => void process.stderr.write(`${line}\n`);

const backend = await startScript("canned-backend.ts", [], loadCore);
const port = String(backend.port);
const picture = { "content-type": "image/jpeg" };
const grpc = { "content-type": "application/grpc", te: "trailers" };
const predictPath = "/tensorflow.serving.PredictionService/Predict";

interface Subject {
  readonly name: string;
  readonly process: PinnedProcess;
  readonly path: string;
  readonly isHttp1: boolean;
  readonly takesPicture: boolean;
}

const subjects: readonly Subject[] = [
  {
    name: "tensorgate",
    process: await startScript("subjects/tensorgate.ts", [port], gatewayCore),
    path: "/v1/classify/bench",
    isHttp1: true,
    takesPicture: true,
  },
  { name: "direct", process: backend, path: predictPath, isHttp1: false, takesPicture: false },
  {
    name: "nginx",
    process: await startNginx({ backendPort: backend.port, core: gatewayCore, folder }),
    path: predictPath,
    isHttp1: true,
    takesPicture: false,
  },
  {
    name: "naive",
    process: await startScript("subjects/naive.ts", [port], gatewayCore),
    path: "/v1/classify/bench",
    isHttp1: true,
    takesPicture: true,
  },
];

interface Row {
  readonly row: "picture";
  readonly subject: string;
  readonly requestsPerSecond: number;
  readonly cpuMicrosPerRequest: number;
  readonly medianMs: number;
  readonly p99Ms: number;
}

try {
  await assertSameAnswer();
  const measured = new Map<string, Row[]>();
  for (let round = 1; round <= rounds; round += 1) {
    for (const subject of subjects) {
      say(`round ${round} of ${rounds}: ${subject.name}`);
      const rows = measured.get(subject.name) ?? [];
      measured.set(subject.name, [...rows, await measure(subject)]);
    }
  }
  report([...measured.values()].map(medianRow));
} finally {
  for (const { process: subject } of subjects) await subject[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}

async function measure(subject: Subject): Promise<Row> {
  const before = subject.process.cpuMicros();
  const result: LoadResult = await runLoad(
    {
      url: `http://127.0.0.1:${subject.process.port}${subject.path}`,
      bodyFile: subject.takesPicture ? fixture.pictureFile : fixture.predictFile,
      headers: subject.takesPicture ? picture : grpc,
      isHttp1: subject.isHttp1,
      concurrency,
      seconds,
    },
    folder,
  );
  // The second of warming up is in the processor time and not among the requests.
  const share = seconds / (seconds + 1);
  const cpuMicros = (subject.process.cpuMicros() - before) * share;
  return {
    row: "picture",
    subject: subject.name,
    requestsPerSecond: result.requestsPerSecond,
    cpuMicrosPerRequest: cpuMicros / result.requestCount,
    medianMs: result.medianMs,
    p99Ms: result.p99Ms,
  };
}

/** The middle of each figure over the rounds. */
function medianRow(rows: readonly Row[]): Row {
  const middle = (of: (row: Row) => number) =>
    Number(
      rows
        .map(of)
        .sort((a, b) => a - b)
        [Math.floor(rows.length / 2)]?.toFixed(2),
    );
  return {
    row: "picture",
    subject: rows[0]?.subject ?? "",
    requestsPerSecond: middle((row) => row.requestsPerSecond),
    cpuMicrosPerRequest: middle((row) => row.cpuMicrosPerRequest),
    medianMs: middle((row) => row.medianMs),
    p99Ms: middle((row) => row.p99Ms),
  };
}

/** A wrong answer with status 200 is fast. */
async function assertSameAnswer(): Promise<void> {
  const body = readFileSync(fixture.pictureFile);
  for (const subject of subjects.filter(({ takesPicture }) => takesPicture)) {
    const url = `http://127.0.0.1:${subject.process.port}${subject.path}`;
    const response = await fetch(url, { method: "POST", headers: picture, body });
    const answer = (await response.json()) as {
      results?: { labels: { index: number; label: string; score: number }[] }[];
    };
    const [best] = answer.results?.[0]?.labels ?? [];
    if (best?.label !== "label 0" || Math.abs(best.score - 0.5) > 1e-6) {
      throw new Error(`${subject.name} answered ${JSON.stringify(answer).slice(0, 200)}`);
    }
  }
}

function report(rows: readonly Row[]): void {
  const machine = machineFacts();
  const settings = { rounds, seconds, concurrency, pictureBytes: 100_000 };
  const results = fileURLToPath(new URL("results", import.meta.url));
  mkdirSync(results, { recursive: true });
  const file = join(
    results,
    `${machine.date.slice(0, 10)}-picture${flags.quick ? "-quick" : ""}.json`,
  );
  writeFileSync(file, `${JSON.stringify({ machine, settings, rows }, undefined, 2)}\n`);

  if (flags.json) {
    for (const row of rows) process.stdout.write(`${JSON.stringify(row)}\n`);
    return;
  }
  const nginx = rows.find(({ subject }) => subject === "nginx")?.requestsPerSecond ?? Number.NaN;
  const line = (cells: readonly string[]) => cells.map((cell) => cell.padStart(14)).join("");
  const header = ["", "requests/s", "CPU µs/request", "median ms", "p99 ms", "× nginx"];
  process.stdout.write(`${line(header)}\n`);
  for (const row of rows) {
    const cells = [
      row.subject,
      row.requestsPerSecond.toFixed(0),
      row.cpuMicrosPerRequest.toFixed(0),
      row.medianMs.toFixed(2),
      row.p99Ms.toFixed(2),
      (row.requestsPerSecond / nginx).toFixed(2),
    ];
    process.stdout.write(`${line(cells)}\n`);
  }
}

function assertTools(names: readonly string[]): void {
  const missing = names.filter((name) => {
    try {
      execFileSync("which", [name]);
      return false;
    } catch {
      return true;
    }
  });
  if (missing.length === 0) return;
  process.stderr.write(
    `the benchmark needs ${missing.join(", ")}: apt-get install nghttp2-client nginx-light util-linux\n`,
  );
  process.exit(2);
}
