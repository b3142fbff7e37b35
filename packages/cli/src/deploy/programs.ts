import { type ChildProcess, spawn } from "node:child_process";
import { CommandError } from "../command-error.ts";

/** What a program wrote, and how it ended. */
export interface EndedProgram {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  /** Exit codes that are not failures. */
  readonly accepted?: readonly number[];
  /** Shows what it writes. */
  readonly isShown?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Where programs that the command calls come from. */
const installs: Readonly<Record<string, string>> = {
  helm: "https://helm.sh/docs/intro/install (version 4)",
  kubectl: "https://kubernetes.io/docs/tasks/tools",
  ssh: "https://www.openssh.com",
  az: "https://learn.microsoft.com/cli/azure/install-azure-cli",
};

/**
 * Runs a program with an argument array, so that no shell reads the arguments. Its environment is that of the command, with
 * the logins and plugins that belong to it.
 *
 * @throws CommandError if it is not installed, or ends with a code that is not accepted
 */
export async function runProgram(
  name: string,
  args: readonly string[],
  { input, accepted = [0], isShown = false, signal }: RunOptions = {},
): Promise<EndedProgram> {
  const child = spawn(name, args, {
    stdio: ["pipe", "pipe", "pipe"],
    ...(signal && { signal }),
  });
  const said = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].on("data", (piece: Buffer) => {
      said[stream] += piece;
      if (isShown) process.stderr.write(piece);
    });
  }
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const code = await exitCodeOf(name, child, signal);
  if (accepted.includes(code)) return { code, ...said };
  const reason =
    withoutLog(said.stderr) || said.stderr.trim() || said.stdout.trim() || `exit code ${code}`;
  const shown = [name, ...args.slice(0, 3)].join(" ");
  throw new CommandError(`${shown} failed: ${reason.replace(/^Error: /i, "")}`);
}

/** Leaves out the log of kubectl, such as `E1130 04:45:39.8 memcache.go:265] …`, which repeats what its last line says. */
const withoutLog = (text: string) =>
  text
    .split("\n")
    .filter((line) => !/^[EWI]\d{4} [\d:.]+ /.test(line))
    .join("\n")
    .trim();

function exitCodeOf(
  name: string,
  child: ChildProcess,
  signal: AbortSignal | undefined,
): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("error", (error: NodeJS.ErrnoException) => {
      // It has got the signal to end, and cleans up first.
      if (signal?.aborted && child.pid !== undefined) return;
      if (error.code !== "ENOENT") return reject(error);
      const where = installs[name];
      reject(new CommandError(`${name} is not installed${where ? `; see ${where}` : ""}`));
    });
    child.once("close", (code) => {
      if (signal?.aborted) reject(new CommandError("stopped", { exitCode: 130 }));
      else resolve(code ?? 1);
    });
  });
}
