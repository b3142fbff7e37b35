import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { afterAll, expect, test } from "vitest";
import { completionScript } from "./commands/completion.ts";
import { program, run } from "./run.ts";
import { createSignals } from "./service/signals.ts";

const root = program(createSignals());
root.configureOutput({ writeErr: () => {} });

/** All commands that do something, with their paths. */
function leavesOf(
  command: Command,
  path: readonly string[],
): { path: string[]; command: Command }[] {
  if (command.commands.length === 0) return [{ path: [...path], command }];
  return command.commands.flatMap((each) => leavesOf(each, [...path, each.name()]));
}
const leaves = leavesOf(root, []);

const folder = mkdtempSync(join(tmpdir(), "tensorgate-usage-"));
afterAll(() => rmSync(folder, { recursive: true }));

function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
  });
  command.outputHelp();
  return text;
}

test.each(leaves)("$path has an example", ({ path, command }) => {
  expect(helpOf(command)).toMatch(new RegExp(`Examples?:[^]*tensorgate ${path.join(" ")}`));
});

test.each(leaves)("$path reports an unknown option before a missing one", async ({ path }) => {
  const ended = await captured(() => run([...path, "--no-such-option"], createSignals()));

  expect(ended.code).toBe(2);
  expect(ended.stderr).toContain("unknown option '--no-such-option'");
  expect(ended.stderr).toContain(`(run tensorgate ${path.join(" ")} --help for usage)`);
});

async function captured(act: () => Promise<number>) {
  const { write } = process.stderr;
  let stderr = "";
  process.stderr.write = (text: string | Uint8Array) => {
    stderr += text;
    return true;
  };
  try {
    return { code: await act(), stderr };
  } finally {
    process.stderr.write = write;
  }
}

test.each([
  { words: ["tensorgate", "mod"], completes: ["model-server", "models"] },
  { words: ["tensorgate", "models", "a"], completes: ["add"] },
  { words: ["tensorgate", "config", "check", "--h"], completes: ["--help"] },
  { words: ["tensorgate", "score", "x.jpg", "--mi"], completes: ["--min-score"] },
])("bash completes $words", ({ words, completes }) => {
  const script = `${completionScript("bash", root)}
COMP_WORDS=(${words.join(" ")}); COMP_CWORD=${words.length - 1}
_tensorgate; printf '%s\\n' "\${COMPREPLY[@]}"`;

  const found = execFileSync("bash", ["-c", script], { encoding: "utf8" });

  expect(found.trim().split("\n").toSorted()).toEqual(completes);
});

test("a first configuration is written where the server does not answer, with a word about it", async () => {
  const file = join(folder, "tensorgate.yaml");
  const flags = ["--address", "127.0.0.1:1", "--model", "m", "--timeout", "500", "-o", file];

  const { code, stderr } = await captured(() => run(["init", ...flags], createSignals()));

  expect(code).toBe(0);
  expect(stderr).toContain(`next: tensorgate config check ${file}`);
  const text = readFileSync(file, "utf8");
  expect(text).toMatch(/^# yaml-language-server: \$schema=\.\/tensorgate\.schema\.json\n/);
  expect(text).toMatch(/# check: no gRPC server answers/);
  const again = await captured(() => run(["init", ...flags], createSignals()));
  expect(again).toEqual({
    code: 1,
    stderr: `tensorgate: ${file} already exists; use --force to overwrite it\n`,
  });
});

test("a port that is in use is reported before the demo starts anything", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as AddressInfo;

  const ended = await captured(() => run(["demo", "--port", String(port)], createSignals()));
  taken.close();

  expect(ended.code).toBe(1);
  expect(ended.stderr).toMatch(/^tensorgate: 127\.0\.0\.1:\d+ is already in use; [^\n]*\n$/);
});

test("faults of settings, of what fits together and of files are all reported", async () => {
  const file = join(folder, "faults.yaml");
  writeFileSync(
    file,
    `models: [{ name: m }, { name: lonely }]
pools: [{ model: m, region: r, replicas: ["127.0.0.1:1"] }]
listen: { tls: { cert: none.pem, key: none.key } }
`,
  );

  const { code, stderr } = await captured(() => run(["config", "check", file], createSignals()));

  expect(code).toBe(1);
  expect(stderr).toContain(`${file} has 2 faults:\n`);
  expect(stderr).toContain('no pool serves model "lonely"');
  expect(stderr).toMatch(/none\.pem/);
});

test.each([
  {
    args: ["serve", "--config", "none.yaml"],
    code: 1,
    says: "cannot read none.yaml: there is no such file; tensorgate init",
  },
  { args: ["config", "check", tmpdir()], code: 1, says: "it is a folder; name the file in it" },
  { args: ["registry", "register", "m"], code: 2, says: "required option '--from <path" },
  { args: ["key", "new"], code: 2, says: "name the key with --id" },
  { args: ["models", "add", "m"], code: 2, says: "name the ONNX model with --weights" },
])("$args says what is missing", async ({ args, code, says }) => {
  const ended = await captured(() => run(args, createSignals()));

  expect(ended.code).toBe(code);
  expect(ended.stderr).toContain(says);
});
