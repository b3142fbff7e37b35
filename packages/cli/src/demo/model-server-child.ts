import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { ListeningMessage } from "../commands/model-server.ts";
import type { Child, StartChild } from "./child-supervisor.ts";

/** Source files need this condition, which a child does not inherit if NODE_OPTIONS is set. */
const isSource = import.meta.url.endsWith(".ts");
const execArgv = isSource ? ["--conditions=@tensorgate/source"] : [];
const command = fileURLToPath(new URL(isSource ? "../main.ts" : "../main.js", import.meta.url));

/** Starts model servers in child processes. @param flags - of the command `model-server` */
export function modelServerChildren(flags: readonly string[]): StartChild {
  return (port): Child => {
    const args = ["model-server", "--port", String(port), ...flags];
    // Detached, so that Ctrl-C does not reach the children: they stop when the gateway has drained.
    const child = fork(command, args, {
      execArgv,
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
