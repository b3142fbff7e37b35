import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** Folder of servers and clients that others wrote. */
export const peers: string = fileURLToPath(new URL("../../../shared/peers/", import.meta.url));

/** Whether servers and clients that others wrote are here. */
export const hasPeers: boolean = existsSync(peers);

/** Environment of a peer's script: the product is this checkout, and its Node the first that is found. */
const env = {
  ...process.env,
  TENSORGATE_ROOT: root,
  PATH: `${root}/node_modules/.bin:${process.env["PATH"]}`,
};

/** Where they keep what they have made. */
export const peersHome: string =
  process.env["PEERS_HOME"] ?? join(homedir(), ".cache", "tensorgate-peers");

/** Python with TensorFlow and TensorFlow Serving's stubs, once `tensorflow/setup.sh backend` was run. */
export const tensorflowPython: string = pythonOfPeers("tensorflow");

/** Python of one of the peers' environments. */
export function pythonOfPeers(environment: string): string {
  return join(peersHome, "venv", environment, "bin", "python");
}

/** A third-party server that is ready; disposing of it stops it and its child processes. */
export interface Peer extends AsyncDisposable {
  readonly child: ChildProcess;
}

/** Sets a peer up. @returns why it cannot be, if so */
export async function setUpPeer(
  script: string,
  args: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Promise<string | undefined> {
  const { code, output } = await runPeer(script, args, more);
  return code === 0 ? undefined : `${script} ${args.join(" ")}: ${output.trim().slice(-300)}`;
}

/** Runs a peer's script to its end. */
export function runPeer(
  script: string,
  args: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number; readonly output: string }> {
  return new Promise((resolve) => {
    const options = { cwd: root, env: { ...env, ...more }, maxBuffer: 2 ** 26 };
    execFile(`${peers}${script}`, args, options, (error, stdout, stderr) => {
      const code = error ? Number(error.code ?? 1) || 1 : 0;
      resolve({ code, output: `${stdout}${code === 0 ? "" : stderr}` });
    });
  });
}

/** Starts a server, and waits until it says that it is ready. */
export async function startPeer(
  script: string,
  args: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Promise<Peer> {
  const child = spawn(`${peers}${script}`, args, {
    cwd: root,
    env: { ...env, ...more },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = once(child, "exit");
  let said = "";
  await new Promise<void>((resolve, reject) => {
    const onData = (data: Buffer) => {
      said += data.toString();
      if (/^ready/m.test(said)) resolve();
    };
    child.stdout.on("data", onData);
    child.stderr.on("data", onData);
    child.once("exit", () => reject(new Error(`${script} ended: ${said.slice(-500)}`)));
  });
  return {
    child,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGTERM");
      await exited;
    },
  };
}
