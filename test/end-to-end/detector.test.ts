import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ScoringService } from "@tensorgate/proto/tensorgate/v1/scoring";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { samplePicture } from "../support/pictures.ts";
import { type RunningGateway, startBundledGateway } from "../support/running-gateway.ts";

let running: RunningGateway;
beforeAll(async () => {
  running = await startBundledGateway();
});
afterAll(() => running[Symbol.asyncDispose]());

async function detect(body: Uint8Array<ArrayBuffer>) {
  const response = await fetch(`${running.url}/v1/detect/shapes-detector`, {
    method: "POST",
    body,
  });
  const { results } = (await response.json()) as {
    results: { boxes: { label: string; box: Record<string, number> }[]; image: object }[];
  };
  return results[0] ?? { boxes: [], image: {} };
}

test.each([
  { scene: "scene-1", labels: ["circle", "hexagon", "plus", "triangle"] },
  { scene: "scene-2", labels: ["cross", "heart"] },
  { scene: "star", labels: ["star"] },
])("the trained detector finds $labels in $scene", async ({ scene, labels }) => {
  const { boxes } = await detect(samplePicture(scene));

  expect(boxes.map(({ label }) => label).toSorted()).toEqual(labels);
});

test("boxes are where people see them, whichever way the camera was held", async () => {
  // Wider than high, so that an exchange of the sides would show.
  const wide = sharp(samplePicture("scene-2")).resize(600, 400, { fit: "fill" });
  const upright = new Uint8Array(await wide.clone().png().toBuffer());
  const onItsSide = await sharp(upright).rotate(270).png().toBuffer();
  const turned = new Uint8Array(
    await sharp(onItsSide).withMetadata({ orientation: 6 }).png().toBuffer(),
  );

  const seen = await detect(turned);

  expect(seen).toEqual(await detect(upright));
  expect(seen.image).toEqual({ width: 600, height: 400 });
  expect(seen.boxes.length).toBeGreaterThan(0);
});

test("a stream of pictures is answered with boxes, tagged", async () => {
  const client = createClient(ScoringService, createGrpcTransport({ baseUrl: running.url }));
  const ids = ["scene-1", "scene-2"];
  async function* requests() {
    for (const id of ids) {
      const source = { case: "data" as const, value: samplePicture(id) };
      yield { modelSpec: { name: "shapes-detector" }, picture: { id, source } };
    }
  }

  const counts = new Map<string, number>();
  for await (const { result } of client.detectStream(requests())) {
    const boxes = result?.outcome.case === "boxes" ? result.outcome.value.boxes : [];
    counts.set(result?.id ?? "", boxes.length);
  }

  expect(counts).toEqual(
    new Map([
      ["scene-1", 4],
      ["scene-2", 2],
    ]),
  );
});
