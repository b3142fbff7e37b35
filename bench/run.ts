// Measures the gateway beside its peers, in turns within one run: `npm run bench -- --help`.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { testCertificates } from "../test/support/certificates.ts";
import { programArguments } from "../test/support/program-arguments.ts";
import { startBackend } from "./backend/start-backend.ts";
import type { BenchSettings, Group } from "./groups/group.ts";
import { groups } from "./groups/groups.ts";
import { root } from "./launch/peer-folder.ts";
import { loadAverage, machineFacts, toolVersions } from "./machine.ts";
import { saveResults } from "./report/results.ts";
import { plainTable, tableOf } from "./report/table.ts";
import { flatRow, type Row } from "./statistics.ts";

const help = `Measures the gateway beside its peers.

  --row NAME   only this row or group; may be repeated
  --quick      fewer requests and rounds: for a first look, not for comparisons
  --json       one JSON object per row
  --rounds N   (default 7)
  --divisor N  divides the numbers of requests, warm-up included (default 1; 8 with --quick)
  --profile FOLDER
               writes a CPU profile of each subject on Node, without its warm-up

Groups and rows:
${groups.map(({ name, rows }) => `  ${name}: ${rows.join(", ")}`).join("\n")}
`;

const { values: flags } = programArguments({
  options: {
    help: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    row: { type: "string", multiple: true, default: [] },
    rounds: { type: "string" },
    divisor: { type: "string" },
    profile: { type: "string" },
  },
});
const names = groups.flatMap(({ name, rows }) => [name, ...rows]);
const unknown = flags.row.find((name) => !names.includes(name));
const rounds = Number(flags.rounds ?? (flags.quick ? 3 : 7));
const divisor = Number(flags.divisor ?? (flags.quick ? 8 : 1));
const areCounts = [rounds, divisor].every((count) => Number.isInteger(count) && count > 0);
if (flags.help || unknown !== undefined || !areCounts) {
  if (unknown !== undefined) process.stderr.write(`no row or group is called ${unknown}\n\n`);
  process.stdout.write(help);
  process.exit(flags.help ? 0 : 2);
}

/** The subject runs on the first core; the load and the backend share the second. */
const subjectCore = 0;
const settings: BenchSettings = { loadCore: 1, rounds, divisor };
const maxReplicas = 1_024;
const say = (line: string) => void process.stderr.write(`${line}\n`);

assertTools(["h2load", "taskset", "nginx", "cc", "openssl"]);
// What is measured is what is shipped, not the sources.
execFileSync(join(root, "node_modules/.bin/tsc"), ["-b"], { cwd: root, stdio: "inherit" });

for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
if (flags.profile) mkdirSync(flags.profile, { recursive: true });
const folder = mkdtempSync(join(tmpdir(), "tensorgate-bench-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
for (const group of groups) {
  const isWanted = (row: string) =>
    flags.row.length === 0 || flags.row.includes(group.name) || flags.row.includes(row);
  if (group.rows.some(isWanted)) await measureGroup(group, isWanted);
}

async function measureGroup(group: Group, isWanted: (row: string) => boolean): Promise<void> {
  const machine = machineFacts();
  const before = loadAverage();
  const skipped: Record<string, string> = {};
  using certificates = testCertificates();
  const { serverCertFile: cert, serverKeyFile: key } = certificates;
  const { loadCore } = settings;
  await using backend = await startBackend({ core: loadCore, addressCount: maxReplicas });
  const rows = await group.run({
    folder,
    core: subjectCore,
    backend,
    profileFolder: flags.profile && resolve(flags.profile),
    tls: { cert, key },
    settings,
    isWanted,
    say,
    skip: (subject, reason) => {
      say(`skipped ${subject}: ${reason}`);
      skipped[subject] = reason;
    },
  });
  const isWhole = group.rows.every(isWanted);
  const name = isWhole ? group.name : flags.row.join("+");
  saveResults(
    {
      group: group.name,
      machine,
      versions: toolVersions(),
      settings: { rounds, divisor },
      loadAverage: [before, loadAverage()],
      skipped,
      rows,
    },
    flags.quick ? `${name}-quick` : name,
  );
  print(rows);
}

function print(rows: readonly Row[]): void {
  process.stdout.write(
    flags.json
      ? rows.map((row) => `${JSON.stringify(flatRow(row))}\n`).join("")
      : `\n${plainTable(tableOf(rows))}`,
  );
}

function assertTools(programs: readonly string[]): void {
  const missing = programs.filter((program) => {
    try {
      execFileSync("which", [program], { stdio: "ignore" });
      return false;
    } catch {
      return true;
    }
  });
  if (missing.length === 0) return;
  const packages = "nghttp2-client nginx-light util-linux gcc libc6-dev openssl";
  say(`the benchmark needs ${missing.join(", ")}: apt-get install ${packages}`);
  process.exit(2);
}
