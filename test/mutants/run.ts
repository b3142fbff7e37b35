// Makes each change of the table in a copy of the tree, and tells which no test notices.
import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { programArguments } from "../support/program-arguments.ts";
import { type Mutant, mutated } from "./mutant.ts";
import { mutants } from "./table.ts";
import { copyTree, type TreeCopy } from "./tree-copy.ts";

const { values: flags } = programArguments({
  options: {
    only: { type: "string" },
    list: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});
if (flags.help) {
  process.stdout.write(`npm run mutants -- [--only PART-OF-A-NAME] [--list]

Each mutant is a change to a line that keeps the gateway safe. Its tests must fail with it.
`);
  process.exit(0);
}

const root = fileURLToPath(new URL("../..", import.meta.url));
const chosen = mutants.filter(({ name }) => name.includes(flags.only ?? ""));
if (flags.list) {
  for (const { name, file } of chosen) process.stdout.write(`${name}  (${file})\n`);
  process.exit(0);
}

/** How long the tests of one mutant may take, and those of all together without any, in milliseconds. */
const timeoutMs = { one: 180_000, all: 1_200_000 } as const;

interface TestRun {
  readonly hasPassed: boolean;
  readonly output: string;
}

function runTests(
  directory: string,
  tests: readonly string[],
  limits: { readonly workers: number; readonly timeoutMs: number },
): Promise<TestRun> {
  const vitest = path.join(directory, "node_modules/vitest/vitest.mjs");
  const child = spawn(
    process.execPath,
    // On a busy machine a test that passes may take long.
    [
      ...[
        vitest,
        "run",
        "--config=vitest.mutants.config.ts",
        "--bail=1",
        "--testTimeout=30000",
        "--hookTimeout=30000",
      ],
      ...[`--maxWorkers=${limits.workers}`, ...tests],
    ],
    {
      cwd: directory,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: limits.timeoutMs,
    },
  );
  let output = "";
  const note = (chunk: Buffer) => {
    output += chunk.toString("utf8");
  };
  child.stdout.on("data", note);
  child.stderr.on("data", note);
  return new Promise((resolve) => {
    child.once("close", (code) => resolve({ hasPassed: code === 0, output }));
  });
}

const say = (line: string) => void process.stdout.write(`${line}\n`);
const survived: string[] = [];

/** Tests that fail without any mutant would kill all of them. */
async function assertPasses({ directory }: TreeCopy): Promise<void> {
  const tests = [...new Set(chosen.flatMap((mutant) => mutant.tests))];
  for (const test of tests) {
    if (!existsSync(path.join(root, test))) throw new Error(`there is no test file ${test}`);
  }
  const { hasPassed, output } = await runTests(directory, tests, {
    workers: 2,
    timeoutMs: timeoutMs.all,
  });
  if (!hasPassed) throw new Error(`the tests fail without any mutant:\n${output}`);
}

async function tryMutant(mutant: Mutant, { directory }: TreeCopy): Promise<void> {
  const file = path.join(directory, mutant.file);
  const source = readFileSync(file, "utf8");
  const changed = mutated(mutant, source);
  // What cannot be read at all would be killed by any test.
  stripTypeScriptTypes(changed);
  writeFileSync(file, changed);
  const startMs = performance.now();
  try {
    const { hasPassed } = await runTests(directory, mutant.tests, {
      workers: 1,
      timeoutMs: timeoutMs.one,
    });
    const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
    say(`${hasPassed ? "SURVIVED" : "killed"}  ${mutant.name}  (${seconds} s)`);
    if (hasPassed) survived.push(mutant.name);
  } finally {
    writeFileSync(file, source);
  }
}

for (const mutant of chosen) mutated(mutant, readFileSync(path.join(root, mutant.file), "utf8"));
using first = copyTree(root);
using second = copyTree(root);
await assertPasses(first);
const waiting = [...chosen];
await Promise.all(
  [first, second].map(async (copy) => {
    for (let mutant = waiting.shift(); mutant; mutant = waiting.shift()) {
      await tryMutant(mutant, copy);
    }
  }),
);
say(`${chosen.length - survived.length} killed, ${survived.length} survived`);
for (const name of survived) say(`SURVIVED  ${name}`);
process.exitCode = survived.length === 0 ? 0 : 1;
