/** What the process of a job is asked to do, by IPC. */
export interface WorkerRequest {
  /** Folder of the version, to read from. */
  readonly folder: string;
  /** Folder to create for files. What lies beside it is removed with it. */
  readonly output: string;
  /** What the kind of job takes. */
  readonly options: unknown;
}

/** What the process of a job says. */
export type WorkerMessage =
  /** It begins with the next step. */
  | { readonly kind: "step"; readonly text: string }
  /** A line for the log. */
  | { readonly kind: "log"; readonly text: string }
  /** It has written these files, relative to its output folder, and ends. */
  | { readonly kind: "done"; readonly files: readonly string[]; readonly result: unknown }
  /** It cannot do it, for a reason that the user can read, and ends. */
  | { readonly kind: "failed"; readonly message: string };
