import { ScoringClient } from "@tensorgate/client";
import { createGateway } from "@tensorgate/gateway";
import { ScoringClient as WebClient } from "@tensorgate/web-client";
import { expect, test } from "vitest";

const tensors = { tensor: "x", heightPx: 224, widthPx: 224 };
const described = { labels: ["a", "b"], output: { y: { holds: "probabilities" } } } as const;

const cropped = { width: 256, height: 256, crop: { width: 224, height: 224 } };

test.each([
  { because: "of its family", model: { family: "resnet-50" } as const, size: cropped },
  {
    because: "that is configured",
    model: { input: { kind: "pixels", ...tensors, shorterSidePx: 256 }, ...described } as const,
    size: cropped,
  },
  {
    because: "that is made without a cut",
    model: { input: { kind: "pixels", ...tensors }, ...described } as const,
    size: { width: 224, height: 224 },
  },
  {
    because: "that a person gave for clients",
    model: { family: "resnet-50", input: { ...tensors, kind: "encoded-image" } } as const,
    size: { width: 224, height: 224 },
  },
])("every client learns the size $because, and what is cut from it", async ({ model, size }) => {
  const gateway = createGateway({
    listen: { port: 0 },
    region: "here",
    models: [{ name: "m", ...model }],
    pools: [{ model: "m", region: "here", replicas: ["127.0.0.1:1"] }],
  });
  await gateway.listen();
  try {
    const baseUrl = gateway.url;
    await using node = new ScoringClient({ baseUrl });
    await using web = new WebClient({ baseUrl });
    const { input } = await node.models.get("m");

    expect(input).toEqual({ kind: "picture", ...size });
    expect((await web.models.get("m")).input).toMatchObject(input);
    const answer = await fetch(`${baseUrl}/v1/catalog/m`);
    const { tensor: _tensor, decodedBy: _decodedBy, ...rest } = (await answer.json()).input;
    expect(rest).toEqual(input);
  } finally {
    await gateway.close(0);
  }
});
