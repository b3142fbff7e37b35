import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { tensorgate } from "../support/command-process.ts";
import { freePort } from "../support/nginx.ts";
import { hasPeers, runPeer, setUpPeer, startPeer } from "../support/peers.ts";
import { works } from "../support/python.ts";

// The gateway in front of a real TensorFlow, asked by clients that others wrote.

const setUpMs = 900_000;
const client = "tensorflow/client.sh";

/** libheif and Pillow's libavif upsample the colours of an AVIF differently. */
const exceptions = ["pitm.avif"];

/** Runs a client, and fails with each call that did not pass and is no exception. */
async function expectAllPassed(args: readonly string[]): Promise<void> {
  const { output } = await runPeer(client, args);
  const lines = output.split("\n");
  const failed = lines.filter(
    (line) => /"passed": ?false/.test(line) && !exceptions.some((each) => line.includes(each)),
  );
  expect(failed).toEqual([]);
  expect(output).toMatch(/^[1-9]\d* passed, \d+ failed$/m);
}

test.skipIf(hasPeers)("real TensorFlow is skipped: the folder of peers is not here", () => {});

describe.runIf(hasPeers)("in front of TensorFlow", () => {
  const stack = new AsyncDisposableStack();
  let missing: string | undefined;
  let address = "";
  beforeAll(async () => {
    missing =
      (await setUpPeer("tensorflow/setup.sh", ["backend"])) ??
      (await setUpPeer("tensorflow/setup.sh", ["clients"]));
    if (missing) return;
    const [backend, port, admin] = [await freePort(), await freePort(), await freePort()].map(
      String,
    );
    if (!backend || !port || !admin) return;
    stack.use(await startPeer("tensorflow/start.sh", [backend]));
    stack.use(await startPeer("gateway.sh", ["tensorflow", port, admin, backend]));
    address = `127.0.0.1:${port}`;
  }, setUpMs);
  afterAll(() => stack.disposeAsync());

  test.for([
    { name: "the official Python client", args: ["official"] },
    { name: "a Go client", args: ["go"], needs: "go" },
    { name: "a Java client", args: ["java"], needs: "mvn" },
    { name: "requests by REST", args: ["rest"], more: ["half_plus_two"] },
    { name: "tensors of every type", args: ["tensors"] },
    {
      name: "scores as TensorFlow's own, by every protocol",
      args: ["compare"],
      more: ["protocols"],
    },
    { name: "scores as TensorFlow's own, of every picture", args: ["compare"], more: ["pictures"] },
  ])("$name", { timeout: 300_000 }, async ({ args, more = [], needs }, context) => {
    if (missing) return context.skip(missing);
    if (needs && !works(needs, [needs === "go" ? "version" : "--version"])) {
      return context.skip(`${needs} is not here`);
    }
    await expectAllPassed([...args, address, ...more]);
  });
});

describe.runIf(hasPeers)("in front of a container with a model on an FPGA", () => {
  test("Azure's old client", { timeout: setUpMs }, async (context) => {
    const missing =
      (await setUpPeer("tensorflow/setup.sh", ["backend"])) ??
      (await setUpPeer("tensorflow/setup.sh", ["old-client"]));
    if (missing) return context.skip(missing);
    const [backend, port] = [await freePort(), await freePort()];
    await using _backend = await startPeer("tensorflow/start.sh", [
      ...[String(backend), "--azure-fpga", "tf1_resnet", "--only", "tf1_resnet"],
    ]);
    const folder = await mkdtemp(join(tmpdir(), "tensorgate-old-client-"));
    const file = join(folder, "tensorgate.yaml");
    const pool = { model: "tf1_resnet", region: "westeurope", dialect: "azure-fpga" };
    writeFileSync(
      file,
      stringify({
        region: "westeurope",
        models: [{ name: "tf1_resnet", family: "resnet-50" }],
        pools: [{ ...pool, replicas: [`127.0.0.1:${backend}`] }],
      }),
    );
    const gateway = tensorgate(
      ["serve", "--config", file, "--port", String(port), "--admin-port", "0", "--no-watch"],
      { ...process.env, TENSORGATE_LOG_LEVEL: "error" },
    );
    try {
      await gateway.said.matching(/ready: /);
      await expectAllPassed(["old", `127.0.0.1:${port}`]);
    } finally {
      gateway.child.kill("SIGKILL");
      await rm(folder, { recursive: true });
    }
  });
});
