import { fileURLToPath } from "node:url";
import { bundledModelsDirectory, startModelServer } from "@tensorgate/model-server";
import { expect, test } from "vitest";
import { openGateway, shapesModel } from "../support/running-gateway.ts";

const picture = (name: string) =>
  fileURLToPath(new URL(`../../examples/pictures/${name}.jpg`, import.meta.url));

test("a release is not ready until its reference pictures give the expected labels", async () => {
  const server = await startModelServer({ port: 0, models: { directory: bundledModelsDirectory } });
  try {
    const pools = [
      { model: "shapes", region: "westeurope", replicas: [`127.0.0.1:${server.port}`] },
    ];
    const expecting = (label: string) => ({
      ...shapesModel(),
      golden: { pictures: [{ file: picture("star"), label }] },
    });
    const options = { region: "westeurope", listen: { port: 0 }, pools };
    await using running = await openGateway({ models: [expecting("moon")], pools });
    const ready = () => fetch(`${running.url}/readyz`);
    await expect
      .poll(() => JSON.stringify(running.gateway.status()), { timeout: 5_000 })
      .toContain("star.jpg is star, expected moon");
    expect((await ready()).status).toBe(503);

    running.gateway.reload({ ...options, models: [expecting("star")] });
    await expect.poll(async () => (await ready()).status, { timeout: 5_000 }).toBe(200);
    const body = new Uint8Array(1);
    expect(
      (await fetch(`${running.url}/v1/classify/shapes`, { method: "POST", body })).status,
    ).toBe(415);
  } finally {
    await server.close(0);
  }
});

test.each([
  {
    model: { name: "m", golden: { pictures: [{ file: "x.jpg", label: "a" }] } },
    says: /takes pictures/,
  },
  {
    model: { ...shapesModel(), golden: { pictures: [{ file: "nowhere.jpg", label: "a" }] } },
    says: /models.shapes.golden: .*nowhere.jpg/,
  },
])("golden pictures that cannot be scored are refused: $says", async ({ model, says }) => {
  const pools = [{ model: model.name, region: "westeurope", replicas: ["127.0.0.1:9"] }];
  await expect(openGateway({ models: [model], pools })).rejects.toThrow(says);
});
