import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { peers } from "./peers.ts";

const scripts = join(peers, "kubernetes");
const peersHome = process.env["PEERS_HOME"] ?? join(homedir(), ".cache", "tensorgate-peers");
const binaries = join(peersHome, "kubernetes", "bin");

/** Programs that `build.sh` makes, which takes half an hour and is not done here. */
const needed = ["kube", "kubectl", "containerd", "coredns", "helm", "oras"];

/** Why there can be no cluster; undefined if there can. */
export const noClusterReason: string | undefined = (() => {
  if (!existsSync(join(scripts, "up.sh"))) return "../shared/peers/kubernetes is not there";
  const missing = needed.filter((name) => !existsSync(join(binaries, name)));
  if (missing.length > 0) return `not built yet: ${missing.join(", ")} (.ci/nightly builds them)`;
  return process.getuid?.() === 0 ? undefined : "a cluster needs root";
})();

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface InClusterOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A real Kubernetes in namespaces of this machine, with a registry at `127.0.0.1:5000` inside. */
export interface Cluster extends AsyncDisposable {
  /** Runs a command inside the network of the cluster, with its kubectl and helm first in PATH. */
  run(args: readonly string[], options?: InClusterOptions): Promise<Ended>;
  /** Runs kubectl, which must succeed. @returns what it prints */
  kubectl(...args: readonly string[]): Promise<string>;
  /** Copies an OCI layout into the registry. @param name - such as `tensorgate:0.1.0` */
  push(layout: string, name: string): Promise<void>;
}

function script(
  name: string,
  args: readonly string[],
  options: InClusterOptions = {},
): Promise<Ended> {
  const { cwd, env = {} } = options;
  const settings = { cwd, env: { ...process.env, ...env }, maxBuffer: 2 ** 26 };
  return new Promise((resolve) => {
    execFile(join(scripts, name), args, settings, (error, stdout, stderr) => {
      const code = error ? Number(error.code ?? 1) || 1 : 0;
      resolve({ code, stdout, stderr });
    });
  });
}

/** Starts the cluster, in about ten seconds. @throws if it does not start */
export async function startCluster(): Promise<Cluster> {
  const up = await script("up.sh", []);
  if (up.code !== 0) throw new Error(`the cluster does not start: ${up.stderr.slice(-2_000)}`);
  const helmHome = join(peersHome, "kubernetes", "run", "helm");
  const helmFolders = {
    HELM_CACHE_HOME: helmHome,
    HELM_CONFIG_HOME: helmHome,
    HELM_DATA_HOME: helmHome,
  };
  const run: Cluster["run"] = (args, { cwd, env = {} } = {}) =>
    script("in.sh", args, { ...(cwd !== undefined && { cwd }), env: { ...helmFolders, ...env } });
  const mustSucceed = ({ code, stdout, stderr }: Ended): string => {
    if (code === 0) return stdout;
    throw new Error(`exit code ${code}: ${stderr.slice(-2_000)}`);
  };
  return {
    run,
    kubectl: async (...args) => mustSucceed(await run(["kubectl", ...args])),
    push: async (layout, name) => {
      mustSucceed(await script("push.sh", [layout, name]));
    },
    [Symbol.asyncDispose]: async () => {
      await script("down.sh", []);
    },
  };
}
