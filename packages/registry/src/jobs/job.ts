import { z } from "zod";

/** How far a job is. */
export type JobState = "running" | "done" | "failed" | "cancelled";

/** Long work on a version or a service, with a record and a log that others can read. */
export interface Job {
  /** Eight hexadecimal digits. */
  readonly id: string;
  /** What it does, such as `convert`. */
  readonly kind: string;
  /** The version, as `name@3`, or the service. */
  readonly reference: string;
  readonly state: JobState;
  /** What it does now, or did last. */
  readonly step: string;
  /** ISO 8601, in UTC. */
  readonly startedAt: string;
  readonly endedAt?: string | undefined;
  /** User and machine, such as `ada@build-1`; absent in records of earlier versions. */
  readonly startedBy?: string | undefined;
  /** Why it failed. */
  readonly error?: string | undefined;
  /** What it found, by its kind. */
  readonly result?: unknown;
  /** Absolute path of its log. */
  readonly log: string;
}

/** What the file of a job says. */
export interface JobRecord extends Omit<Job, "reference" | "log"> {
  /** Process that supervises it, and the machine that it is on. */
  readonly processId: number;
  readonly host: string;
}

export const jobSchema: z.ZodType<JobRecord> = z.object({
  id: z.string().regex(/^[0-9a-f]{8}$/),
  kind: z.string(),
  state: z.enum(["running", "done", "failed", "cancelled"]),
  step: z.string(),
  startedAt: z.string(),
  endedAt: z.string().optional(),
  startedBy: z.string().optional(),
  error: z.string().optional(),
  result: z.unknown().optional(),
  processId: z.int(),
  host: z.string(),
});
