import { existsSync, readFileSync } from "node:fs";
import { ScoringClient } from "@tensorgate/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type PhotoGateway,
  startPhotoGateway,
  whyNoPhotoNetwork,
} from "../support/photo-gateway.ts";

const images = new URL("../../../shared/data/images/", import.meta.url);
const missing = existsSync(images)
  ? await whyNoPhotoNetwork()
  : "the folder of shared images is not here";

test.skipIf(missing === undefined)(`the network of photographs is skipped: ${missing}`, () => {});

describe.runIf(missing === undefined)("EfficientNet-Lite0 from PyPI", () => {
  let gateway: PhotoGateway | undefined;
  let client: ScoringClient;

  beforeAll(async () => {
    gateway = await startPhotoGateway();
    client = new ScoringClient({ baseUrl: gateway.url });
  }, 120_000);
  afterAll(async () => {
    await client?.[Symbol.asyncDispose]();
    await gateway?.[Symbol.asyncDispose]();
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
