import { systemClockAndRandom, watchManifests } from "@tensorgate/gateway";
import { bundledModelsDirectory, startModelServer } from "@tensorgate/model-server";
import { expect, test } from "vitest";
import { samplePicture } from "../support/pictures.ts";
import { startGateway } from "../support/running-gateway.ts";

test("a gateway whose configuration only names a model answers with the labels that its server has", async () => {
  const server = await startModelServer({ port: 0, models: { directory: bundledModelsDirectory } });
  const pools = [
    { model: "shapes", region: "westeurope", replicas: [`127.0.0.1:${server.port}`] },
    { model: "shapes-detector", region: "westeurope", replicas: [`127.0.0.1:${server.port}`] },
  ];
  const log = { info: () => {}, warn: () => {} };
  using manifests = watchManifests({ log, clock: systemClockAndRandom.clock });
  await manifests.look({ pools });

  await using running = await startGateway({}, manifests.described({ pools }));
  const asked = async (path: string) => {
    const body = new Uint8Array(samplePicture("star"));
    const response = await fetch(`${running.url}/v1/${path}`, { method: "POST", body });
    const { results } = (await response.json()) as { results: object[] };
    return results[0];
  };

  expect(await asked("classify/shapes?topK=1")).toMatchObject({ labels: [{ label: "star" }] });
  expect(await asked("detect/shapes-detector")).toMatchObject({ boxes: expect.any(Array) });
  await server.close(0);
});
