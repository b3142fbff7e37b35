import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";

const root = fileURLToPath(new URL("../..", import.meta.url));
const main = "packages/cli/src/main.ts";

/** The command in its own process, and what it says. */
export interface CommandProcess {
  readonly child: ChildProcess;
  readonly said: Said;
}

/** What a process has said so far, on standard output and standard error. */
export interface Said {
  text(): string;
  /** Resolves to the match as soon as the process has said it; rejects if it ends before. */
  matching(pattern: RegExp): Promise<RegExpExecArray>;
}

export function tensorgate(
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): CommandProcess {
  const child = spawn(process.execPath, ["--conditions=@tensorgate/source", main, ...args], {
    cwd: root,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  return { child, said: hear(child) };
}

/** Collects what a process says, without colours: many programs print them where `CI` is set, terminal or not. */
export function hear(child: ChildProcess): Said {
  let raw = "";
  // Over all of it, as a chunk may end within a sequence.
  const heard = () => stripVTControlCharacters(raw);
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      raw += chunk.toString("utf8");
      for (const check of waiting) check();
    });
  }
  return {
    text: heard,
    matching: (pattern) =>
      new Promise((resolve, reject) => {
        const check = () => {
          const match = pattern.exec(heard());
          if (!match) return;
          waiting.delete(check);
          resolve(match);
        };
        waiting.add(check);
        child.once("exit", () => reject(new Error(`it ended, having said: ${heard()}`)));
        check();
      }),
  };
}
