import { freePort } from "./nginx.ts";
import { hasPeers, setUpPeer, startPeer } from "./peers.ts";

/** A real server of the Open Inference Protocol that is running, or why there is none. */
export type InferenceServer =
  | { readonly httpPort: number; readonly grpcPort: number }
  | { readonly because: string };

interface ServerScript {
  readonly portCount: number;
  readonly args: readonly string[];
}

const scripts: Readonly<Record<string, ServerScript>> = {
  // A call of its own clients asks it to unload a model.
  triton: { portCount: 3, args: ["--fixed"] },
  mlserver: { portCount: 3, args: [] },
  kserve: { portCount: 2, args: [] },
};

export const inferenceServers: readonly string[] = Object.keys(scripts);

/** Starts a server by its name; it is installed first if need be, and stopped with the stack. */
export async function startInferenceServer(
  name: string,
  stack: AsyncDisposableStack,
  more: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<InferenceServer> {
  const script = scripts[name];
  if (!script || !hasPeers) return { because: `no ${name} is here` };
  const missing = await setUpPeer("open-inference/setup.sh", [name]);
  if (missing) return { because: missing };
  const ports = await Promise.all(Array.from({ length: script.portCount }, freePort));
  const [httpPort = 0, grpcPort = 0] = ports;
  const args = [...ports.map(String), ...script.args, ...more];
  stack.use(await startPeer(`open-inference/${name}/start.sh`, args, env));
  return { httpPort, grpcPort };
}
