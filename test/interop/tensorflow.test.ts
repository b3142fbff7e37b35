import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundledModelsDirectory, startModelServer } from "@tensorgate/model-server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { tensorgate } from "../support/command-process.ts";
import { freePort } from "../support/nginx.ts";
import { oldClients } from "../support/old-clients.ts";
import { hasPeers, runPeer, setUpPeer, startPeer } from "../support/peers.ts";
import { works } from "../support/python.ts";
import { shapesModel } from "../support/running-gateway.ts";

// The gateway in front of a real TensorFlow, asked by clients that others wrote.

const setUpMs = 900_000;
const client = "tensorflow/client.sh";

/** libheif and Pillow's libavif upsample the colours of an AVIF differently. */
const pictureExceptions = ["pitm.avif"];

/** Fails with each call of a client that did not pass and is no exception. */
function expectAllPassed(output: string, exceptions: readonly string[]): void {
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
    {
      name: "scores as TensorFlow's own, of every picture",
      args: ["compare"],
      more: ["pictures"],
      exceptions: pictureExceptions,
    },
  ])(
    "$name",
    { timeout: 300_000 },
    async ({ args, more = [], needs, exceptions = [] }, context) => {
      if (missing) return context.skip(missing);
      if (needs && !works(needs, [needs === "go" ? "version" : "--version"])) {
        return context.skip(`${needs} is not here`);
      }
      const { output } = await runPeer(client, [...args, address, ...more]);
      expectAllPassed(output, exceptions);
    },
  );
});

/** The client takes these for mistakes, as a container does; a gateway knows which tensor is meant. */
const meantByGateway = ["score_file input_name=images", "score_file default names"];

const family = { name: "tf1_resnet", family: "resnet-50" };

describe.runIf(hasPeers).for(oldClients)("$name", (oldClient) => {
  let missing: string | undefined;
  beforeAll(async () => {
    missing = await oldClient.setUp();
  }, setUpMs);

  /** Runs the client against a gateway with this configuration. */
  async function askedThroughGateway(
    configuration: object,
    env: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), "tensorgate-old-client-"));
    const file = join(folder, "tensorgate.yaml");
    writeFileSync(file, stringify({ region: "westeurope", ...configuration }));
    const port = await freePort();
    const gateway = tensorgate(
      ["serve", "--config", file, "--port", String(port), "--admin-port", "0", "--no-watch"],
      { ...process.env, TENSORGATE_LOG_LEVEL: "error" },
    );
    try {
      await gateway.said.matching(/ready: /);
      const output = await oldClient.run([`127.0.0.1:${port}`], env);
      expectAllPassed(output, [...meantByGateway, ...oldClient.exceptions]);
    } finally {
      gateway.child.kill("SIGKILL");
      await rm(folder, { recursive: true });
    }
  }

  test.for([
    { name: "a container", args: ["--azure-fpga", "tf1_resnet"], dialect: "azure-fpga" },
    { name: "a stock server", args: [], dialect: "tensorflow-serving" },
  ])("in front of $name", { timeout: setUpMs }, async ({ args, dialect }, context) => {
    if (missing) return context.skip(missing);
    const backend = await freePort();
    await using _backend = await startPeer("tensorflow/start.sh", [
      ...[String(backend), ...args, "--only", "tf1_resnet"],
    ]);
    const pool = { model: "tf1_resnet", region: "westeurope", dialect };
    const pools = [{ ...pool, replicas: [`127.0.0.1:${backend}`] }];
    await askedThroughGateway({ models: [family], pools });
  });

  test("in front of the embedded model server", { timeout: setUpMs }, async (context) => {
    if (missing) return context.skip(missing);
    const server = await startModelServer({
      port: 0,
      models: { directory: bundledModelsDirectory },
    });
    const replicas = [`127.0.0.1:${server.port}`];
    const { labels } = shapesModel();
    try {
      await askedThroughGateway(
        {
          models: [{ ...shapesModel(), labels }],
          pools: [{ model: "shapes", region: "westeurope", replicas }],
        },
        { OUTPUT: "scores:0" },
      );
    } finally {
      await server.close();
    }
  });
});
