import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** A model server in its own process, which a test can kill. */
export interface ModelServerProcess extends AsyncDisposable {
  readonly address: string;
  readonly process: ChildProcess;
}

const command = fileURLToPath(new URL("../../packages/cli/src/main.ts", import.meta.url));

export async function startModelServerProcess(): Promise<ModelServerProcess> {
  const child = fork(command, ["model-server", "--port", "0"], {
    execArgv: ["--conditions=@tensorgate/source"],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const [message] = (await once(child, "message")) as [{ readonly port: number }];
  return {
    address: `127.0.0.1:${message.port}`,
    process: child,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
}
