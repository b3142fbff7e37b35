import { mkdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { machineFacts } from "../../bench/machine.ts";
import type { FaultResult, FaultSettings } from "./faults/fault.ts";

/** One JSON object, the figures of the fault alone among the others. */
export function resultLine({ also, ...result }: FaultResult): string {
  return `${JSON.stringify({ ...result, ...also })}\n`;
}

/** A line per fault, and below it what did not hold. */
export function resultTable(results: readonly FaultResult[]): string {
  const line = ([name = "", ...cells]: readonly string[]) =>
    `${name.padEnd(26)}${cells.map((cell) => cell.padStart(10)).join("")}\n`;
  const ms = (valueMs: number | null) => (valueMs === null ? "-" : valueMs.toFixed(1));
  const header = line([
    ...["fault", "sent", "per s", "failed", "exposed", "out ms", "last ms", "ejected"],
    ...["p50 ms", "p99 ms", "max ms", "late ms", ""],
  ]);
  const rows = results.map((result) => {
    const cells = [result.fault, result.sent, result.perSecond, result.failed, result.exposed].map(
      String,
    );
    const times = [ms(result.detectionMs), ms(result.lastSentMs), String(result.ejections)];
    const latencies = [result.p50Ms, result.p99Ms, result.maxMs, result.lateP99Ms].map(ms);
    const also = Object.entries(result.also).map(([name, value]) => `${name} ${value}`);
    const reasons = Object.entries(result.failures).map(([name, count]) => `${name} × ${count}`);
    const notes = [also, reasons, result.missed, result.missedFigures].filter(
      (each) => each.length > 0,
    );
    return (
      line([...cells, ...times, ...latencies, result.passed ? "passed" : "FAILED"]) +
      notes.map((each) => `    ${each.join(", ")}\n`).join("")
    );
  });
  return header + rows.join("");
}

/** Writes results with the machine they came from. @returns the file, relative to the repository */
export function saveResults(results: readonly FaultResult[], settings: FaultSettings): string {
  const machine = machineFacts();
  const repository = fileURLToPath(new URL("../..", import.meta.url));
  const folder = join(repository, "bench", "results");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${machine.date.slice(0, 10)}-chaos.json`);
  writeFileSync(file, `${JSON.stringify({ machine, settings, rows: results }, undefined, 2)}\n`);
  return relative(repository, file);
}
