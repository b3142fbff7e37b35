import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What a stand-in answers to arguments that match, the first of those. */
export interface StandInAnswer {
  /** Part of the arguments, joined by spaces. */
  readonly to: string;
  readonly stdout?: string;
  readonly stderr?: string;
  readonly code?: number;
}

/** A call that was made, in order. */
export interface StandInCall {
  readonly program: string;
  readonly args: readonly string[];
  readonly input: string;
}

/** Programs that record how they are called, in front of those of the machine. */
export interface StandIns extends Disposable {
  answer(program: string, answers: readonly StandInAnswer[]): void;
  calls(): readonly StandInCall[];
}

const script = `#!${process.execPath}
const { appendFileSync, readFileSync } = require("node:fs");
const { basename, dirname, join } = require("node:path");
const program = basename(process.argv[1]);
const folder = dirname(process.argv[1]);
const args = process.argv.slice(2);
const input = args.includes("-") ? readFileSync(0, "utf8") : "";
appendFileSync(join(folder, "calls.jsonl"), JSON.stringify({ program, args, input }) + "\\n");
const answers = JSON.parse(readFileSync(join(folder, program + ".json"), "utf8"));
const found = answers.find(({ to }) => args.join(" ").includes(to)) ?? {};
process.stdout.write(found.stdout ?? "");
process.stderr.write(found.stderr ?? "");
process.exitCode = found.code ?? 0;
`;

/** Puts stand-ins into a folder and that folder first into PATH, until they are disposed of. */
export function standInPrograms(folder: string): StandIns {
  const path = process.env["PATH"];
  mkdirSync(folder, { recursive: true });
  process.env["PATH"] = `${folder}:${path}`;
  const log = join(folder, "calls.jsonl");
  return {
    answer: (program, answers) => {
      writeFileSync(join(folder, `${program}.json`), JSON.stringify(answers));
      writeFileSync(join(folder, program), script);
      chmodSync(join(folder, program), 0o755);
    },
    calls: () =>
      existsSync(log)
        ? readFileSync(log, "utf8")
            .trim()
            .split("\n")
            .map((line): StandInCall => JSON.parse(line))
        : [],
    [Symbol.dispose]: () => {
      process.env["PATH"] = path;
    },
  };
}
