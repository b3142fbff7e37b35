import { existsSync, globSync } from "node:fs";
import { join } from "node:path";
import { startPinned } from "../process.ts";
import type { Peer } from "./peer.ts";
import { copySources, peerFolder, root, runStep } from "./peer-folder.ts";

const folder = peerFolder("python");
const program = join(folder, "venv", "bin", "python");

/** FastAPI on uvicorn in front, grpc.aio behind. */
export const python: Peer = {
  name: "python",
  warmUpRequests: 2_000,
  build: async () => {
    copySources("python");
    if (!existsSync(program)) await runStep(folder, ["python3", "-m", "venv", "venv"]);
    await runStep(folder, [program, "-m", "pip", "install", "--quiet", "-r", "requirements.txt"]);
    const proto = join(root, "proto");
    const files = globSync(["tensorflow/*.proto", "tensorflow_serving/*.proto"], { cwd: proto });
    const out = [`-I${proto}`, `--python_out=${folder}`, `--grpc_python_out=${folder}`];
    await runStep(folder, [program, "-m", "grpc_tools.protoc", ...out, ...files]);
  },
  start: ({ backend, core }) =>
    startPinned([program, join(folder, "gateway.py"), String(backend.port)], { core }),
};
