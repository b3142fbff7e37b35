import { inspectBackend, systemClockAndRandom } from "@tensorgate/gateway";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { inferenceServers, startInferenceServer } from "../support/inference-servers.ts";
import { freePort } from "../support/nginx.ts";
import { hasPeers, runPeer, setUpPeer, startPeer } from "../support/peers.ts";
import { samplePicture } from "../support/pictures.ts";
import { openGateway } from "../support/running-gateway.ts";
import { startShapesInTensorFlow } from "../support/shapes-in-tensorflow.ts";

// Clients of the Open Inference Protocol before a gateway before servers of it, none of them written here.

const setUpMs = 900_000;

/** Calls that cannot succeed before a server, and why. */
const exceptions: Readonly<Record<string, readonly { call: string; because: string }[]>> = {
  mlserver: [{ call: '"stream"', because: "its codec answers [n,1] for [n]" }],
  kserve: [{ call: '"infer version"', because: "it has no versions" }],
};

test.skipIf(hasPeers)("real servers are skipped: the folder of peers is not here", () => {});

/** Servers of TensorFlow Serving's API: ours, and a real TensorFlow. */
const servingServers: readonly string[] = ["embedded", "tensorflow"];

describe.runIf(hasPeers).each([...servingServers, ...inferenceServers])("before %s", (server) => {
  const stack = new AsyncDisposableStack();
  let missing: string | undefined;
  let url = "";
  let port = "";
  let grpcPort = 0;
  beforeAll(async () => {
    missing = await setUpPeer("open-inference/setup.sh", ["clients"]);
    if (server === "embedded") missing ??= await setUpPeer("open-inference/setup.sh", ["triton"]);
    if (missing) return;
    const backend: string[] = [];
    if (server === "tensorflow") {
      const started = await startShapesInTensorFlow(stack);
      if ("because" in started) {
        missing = started.because;
        return;
      }
      backend.push(String(started.port), "tensorflow-serving");
    } else if (server !== "embedded") {
      const started = await startInferenceServer(server, stack);
      if ("because" in started) {
        missing = started.because;
        return;
      }
      ({ grpcPort } = started);
      backend.push(String(grpcPort));
    }
    port = String(await freePort());
    const admin = String(await freePort());
    stack.use(await startPeer("gateway.sh", ["open-inference", port, admin, ...backend]));
    url = `http://127.0.0.1:${port}`;
    const isReady = async () => (await fetch(`${url}/v2/models/shapes/ready`)).status;
    await vi.waitUntil(async () => (await isReady()) === 200, { interval: 100, timeout: 60_000 });
  }, setUpMs);
  afterAll(() => stack.disposeAsync());

  test.for([
    { client: "tritonclient", calls: 67 },
    { client: "kserve", calls: 22 },
  ])("$client: $calls calls", { timeout: setUpMs }, async ({ client, calls }, context) => {
    if (missing) return context.skip(missing);

    const { output } = await runPeer("open-inference/client.sh", [client, port, port]);

    const known = exceptions[server] ?? [];
    const failed = output
      .split("\n")
      .filter((line) => /"passed": ?false/.test(line))
      .filter((line) => !known.some(({ call }) => line.includes(call)));
    expect(failed).toEqual([]);
    const [, passed, notPassed] = /^(\d+) passed, (\d+) failed$/m.exec(output) ?? [];
    expect(Number(passed) + Number(notPassed)).toBe(calls);
  });

  test.for(["star", "heart", "moon"])("a picture is a %s", async (label, context) => {
    if (missing) return context.skip(missing);

    const response = await fetch(`${url}/v1/classify/shapes?topK=1`, {
      method: "POST",
      headers: { "content-type": "image/jpeg" },
      body: samplePicture(label),
    });

    expect(await response.json()).toMatchObject({ results: [{ labels: [{ label }] }] });
  });

  test("parameters of a request reach the model", async (context) => {
    if (missing) return context.skip(missing);
    if (servingServers.includes(server)) return context.skip("its protocol has no parameters");
    await using running = await openGateway({
      models: [{ name: "parameters" }],
      pools: [
        {
          model: "parameters",
          region: "westeurope",
          dialect: "open-inference",
          replicas: [`127.0.0.1:${grpcPort}`],
        },
      ],
    });
    await running.gateway.ready();

    const response = await fetch(`${running.url}/v2/models/parameters/infer`, {
      method: "POST",
      body: JSON.stringify({
        id: "mine",
        parameters: { mood: "good", count: 3, isFine: true, timeout: 9_000_000, priority: 2 },
        inputs: [{ name: "in", datatype: "FP32", shape: [1], data: [1] }],
      }),
    });

    const { outputs } = (await response.json()) as { outputs: readonly { data: string[] }[] };
    const seen = outputs[0]?.data[0] ?? "";
    expect(seen).toMatch(/mood\W.*good/);
    expect(seen).toMatch(/count\W.*3/);
    expect(seen).toMatch(/isFine\W.*true/i);
    expect(seen).not.toMatch(/priority|9000000/);
  });

  test("attach finds a model that takes pictures", async (context) => {
    if (missing) return context.skip(missing);
    if (servingServers.includes(server)) return context.skip("it is no server of the protocol");

    const found = await inspectBackend({
      address: `127.0.0.1:${grpcPort}`,
      models: ["resnet", "shapes"],
      timeoutMs: 10_000,
      clock: systemClockAndRandom.clock,
    });

    expect(found).toMatchObject({ dialect: "open-inference", model: "shapes", input: "images" });
    expect(found.server).toContain(server);
    expect([...found.outputs.keys()]).toEqual(["scores", "features"]);
  });
});
