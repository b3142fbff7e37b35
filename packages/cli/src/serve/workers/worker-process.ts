import { fork } from "node:child_process";
import { CommandError } from "../../command-error.ts";
import {
  folderVariable,
  placeVariable,
  portVariable,
  sharingVariables,
  type WorkerCommand,
  type WorkerReport,
} from "./messages.ts";
import type { WorkerProcess } from "./worker-pool.ts";

export interface WorkerStart {
  /** From 1. */
  readonly number: number;
  readonly count: number;
  /** Port of all; undefined while the first one picks it. */
  readonly port: number | undefined;
  /** Where the others reach it. */
  readonly address: string;
  /** Of all workers. */
  readonly secret: string;
  /** For what the workers have in common. */
  readonly folder: string;
}

/** Starts this command again as a worker. */
export function startWorkerProcess(
  { number, count, port, address, secret, folder }: WorkerStart,
  host: NodeJS.Process = process,
): WorkerProcess {
  const { argv, env } = host;
  // Metrics and spans that are pushed tell the workers apart.
  const resource = [env["OTEL_RESOURCE_ATTRIBUTES"], `tensorgate.worker=${number}`];
  const child = fork(argv[1] ?? "", argv.slice(2), {
    env: {
      ...env,
      [placeVariable]: `${number}/${count}`,
      [folderVariable]: folder,
      [sharingVariables.address]: address,
      [sharingVariables.secret]: secret,
      ...(port !== undefined && { [portVariable]: String(port) }),
      OTEL_RESOURCE_ATTRIBUTES: resource.filter(Boolean).join(","),
    },
  });
  const ended = new Promise<string>((resolve) => {
    child.once("exit", (code, signal) => resolve(signal ?? `code ${code}`));
    child.once("error", ({ message }) => resolve(message));
  });
  const listening = new Promise<WorkerReport>((resolve, reject) => {
    child.once("message", (report) => resolve(report as WorkerReport));
    void ended.then((how) =>
      reject(
        new CommandError(
          `worker ${number} ended (${how}) before it served; its own message says why`,
        ),
      ),
    );
  });
  // A rejection that no caller awaits must not end the process.
  listening.catch(() => {});
  return {
    pid: child.pid,
    listening,
    ended,
    tell: (command: WorkerCommand) => {
      if (child.connected) child.send(command, () => {});
    },
    kill: () => void child.kill("SIGKILL"),
  };
}
