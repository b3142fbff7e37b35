import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testConstant, testNode, writeSavedModel } from "@tensorgate/savedmodel/testing";
import { type AdminServer, startAdminServer } from "../../telemetry/admin-server.ts";
import { createRegistryAdmin } from "./registry-admin.ts";
import { registryRoutes } from "./registry-routes.ts";

/** An admin port with an empty registry, beside a folder that may be registered from. */
export interface TestAdmin extends AsyncDisposable {
  readonly url: string;
  readonly folder: string;
  readonly incoming: string;
  /** A SavedModel in `incoming` that halves its input. */
  readonly half: string;
  readonly logged: readonly string[];
}

export async function startTestAdmin(): Promise<TestAdmin> {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-registry-admin-"));
  const incoming = join(folder, "incoming");
  const half = join(incoming, "half");
  const logged: string[] = [];
  writeHalf(half);
  const directory = join(folder, "registry");
  mkdirSync(directory);
  const log = (text: string) => logged.push(text);
  const admin = createRegistryAdmin({ directory, registerFrom: [incoming], log });
  const server: AdminServer = await startAdminServer(
    { host: "127.0.0.1", port: 0 },
    registryRoutes(admin),
  );
  return {
    url: server.url,
    folder,
    incoming,
    half,
    logged,
    [Symbol.asyncDispose]: async () => {
      await server.close();
      rmSync(folder, { recursive: true });
    },
  };
}

const float = { T: { type: "FP32" } } as const;
const info = (graphName: string) => ({ dtype: "FP32", shape: [-1], graphName }) as const;

/** Writes a SavedModel that halves its input. */
function writeHalf(folder: string): void {
  writeSavedModel(folder, {
    nodes: [
      testNode("Placeholder", "x", [], { dtype: { type: "FP32" }, shape: { shape: [-1] } }),
      testConstant("half", 0.5),
      testNode("Mul", "y", ["x", "half"], float),
    ],
    signatures: {
      serving_default: {
        inputs: new Map([["x", info("x:0")]]),
        outputs: new Map([["y", info("y:0")]]),
      },
    },
  });
}
