import { fork } from "node:child_process";
import type { ListeningMessage } from "../commands/model-server.ts";
import type { Child, StartChild } from "./child-supervisor.ts";
import { commandFile, commandFlags } from "./command-file.ts";

/** Starts model servers in child processes. @param flags - of the command `model-server` */
export function modelServerChildren(flags: readonly string[]): StartChild {
  return (port): Child => {
    const args = ["model-server", "--port", String(port), ...flags];
    // Detached, so that Ctrl-C does not reach the children: they stop when the gateway has drained.
    const child = fork(commandFile, args, {
      execArgv: [...commandFlags],
      detached: true,
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    let errorText = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      errorText = (errorText + chunk.toString("utf8")).slice(-4_000);
    });
    const ended = new Promise<void>((resolve) => {
      child.once("exit", () => resolve());
      child.once("error", () => resolve());
    });
    return {
      ended,
      listening: new Promise((resolve, reject) => {
        child.once("message", ({ port: bound }: ListeningMessage) => resolve(bound));
        void ended.then(() => reject(new Error(`a model server ended: ${errorText.trim()}`)));
      }),
      stop: () => {
        if (child.connected) child.send("stop");
        else child.kill("SIGTERM");
      },
      kill: () => void child.kill("SIGKILL"),
    };
  };
}
