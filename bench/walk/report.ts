import type { WalkedFile } from "./coverage.ts";

/** How many files and functions a call may pass through; unlimited where absent. */
export interface WalkLimits {
  readonly maxFiles?: number;
  readonly maxFunctions?: number;
}

interface Sums {
  readonly files: number;
  readonly functions: number;
  readonly calls: number;
}

export function sumsOf(files: readonly WalkedFile[]): Sums {
  const functions = files.flatMap((file) => file.functions);
  const calls = functions.reduce((sum, { calls }) => sum + calls, 0);
  return { files: files.length, functions: functions.length, calls };
}

export function isWithin(files: readonly WalkedFile[], limits: WalkLimits): boolean {
  const sums = sumsOf(files);
  const { maxFiles = Number.POSITIVE_INFINITY, maxFunctions = Number.POSITIVE_INFINITY } = limits;
  return sums.files <= maxFiles && sums.functions <= maxFunctions;
}

/** A table by file, one by folder, and the totals. */
export function report(walk: string, files: readonly WalkedFile[], limits: WalkLimits): string {
  const rooms = Map.groupBy(files, ({ file }) => roomOf(file));
  const total = sumsOf(files);
  const { maxFiles, maxFunctions } = limits;
  const limited = [
    maxFiles === undefined ? [] : `${maxFiles} files`,
    maxFunctions === undefined ? [] : `${maxFunctions} functions`,
  ].flat();
  const suffix = limited.length > 0 ? ` (limits: ${limited.join(", ")})` : "";
  return [
    ...files.map((file) => row(sumsOf([file]), file.file)),
    "",
    ...[...rooms].map(([room, its]) => `${row(sumsOf(its), room)} (${its.length} files)`),
    "",
    `${walk}: ${total.files} files, ${total.functions} functions, ${total.calls} calls${suffix}`,
    "",
  ].join("\n");
}

/** A line for each function, under its file. */
export function functionReport(files: readonly WalkedFile[]): string {
  const lines = files.flatMap(({ file, functions }) =>
    functions.map(
      ({ name, line, calls }) => `${String(calls).padStart(6)} ${file}:${line} ${name}`,
    ),
  );
  return `${lines.join("\n")}\n\n`;
}

function row({ functions, calls }: Sums, name: string): string {
  return `${String(functions).padStart(4)} functions ${String(calls).padStart(6)} calls  ${name}`;
}

/** A package, or a stage of the gateway. */
function roomOf(file: string): string {
  const [, name, , ...path] = file.split("/");
  return name === "gateway" && path.length > 1 ? `gateway/${path[0]}` : (name ?? "");
}
