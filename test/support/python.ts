import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Whether a command is installed and succeeds. */
export function works(command: string, args: readonly string[]): boolean {
  try {
    execFileSync(command, args, { stdio: "ignore" });
    return true;
  } catch {
    process.stderr.write(`skipped: ${command} ${args.join(" ")} does not work here\n`);
    return false;
  }
}

/** Whether Python can make environments of its packages. */
export const hasPython: boolean = works("python3", ["-m", "venv", "--help"]);

/**
 * Python with these packages in an environment that is kept between runs, since packages are large.
 *
 * @returns its path; undefined if the packages cannot be installed
 */
export function pythonWith(packages: readonly string[]): string | undefined {
  const venv = join(root, ".tensorgate", "python");
  const python = join(venv, "bin", "python");
  if (!existsSync(python)) execFileSync("python3", ["-m", "venv", venv]);
  return works(python, ["-m", "pip", "install", "--quiet", ...packages]) ? python : undefined;
}
