import { readFileSync, writeFileSync } from "node:fs";

const statusOf = (pid: number, name: string): number => {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? 0) * 1_024;
  } catch {
    return 0;
  }
};

/** Resident memory of a process now, in bytes; 0 where the system does not tell as Linux does. */
export const residentBytes = (pid: number): number => statusOf(pid, "VmRSS");

/** Most of it since `forgetPeak`, in bytes. */
export const peakBytes = (pid: number): number => statusOf(pid, "VmHWM");

/** Lets `peakBytes` begin at what is resident now. */
export function forgetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, "5");
  } catch {
    // Then the peak is that of the whole life of the process.
  }
}

/** CPU time of a process since its start, in milliseconds, in steps of ten. */
export function cpuTimeMs(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return 0;
  }
}
