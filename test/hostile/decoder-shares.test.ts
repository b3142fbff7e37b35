import { createHash } from "node:crypto";
import { float32Tensor } from "@tensorgate/core";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type FakeReplica, startFakeReplica } from "../support/fake-replica.ts";
import { samplePicture } from "../support/pictures.ts";
import { type RunningGateway, startGateway } from "../support/running-gateway.ts";

let replica: FakeReplica;
let running: RunningGateway;

const keyOf = (id: string) => `tg_${id}_${"0123456789abcdef".repeat(2)}`;

beforeAll(async () => {
  replica = await startFakeReplica({
    answer: () => new Map([["scores", float32Tensor([1, 2], Float32Array.of(0.25, 0.75))]]),
  });
  running = await startGateway(
    { westeurope: [replica.address] },
    {
      keys: ["modest", "greedy-1", "greedy-2"].map((id) => ({
        id,
        sha256: createHash("sha256").update(keyOf(id)).digest("hex"),
        models: ["*"],
      })),
      models: [
        {
          name: "shapes",
          input: { tensor: "input", kind: "pixels", heightPx: 224, widthPx: 224 },
          output: { scores: { holds: "probabilities" } },
          labels: ["no", "yes"],
        },
      ],
    },
  );
});
afterAll(async () => {
  await running[Symbol.asyncDispose]();
  await replica[Symbol.asyncDispose]();
});

async function post(
  id: string,
  body: Uint8Array<ArrayBuffer>,
  signal?: AbortSignal,
): Promise<number> {
  const response = await fetch(`${running.url}/v1/classify/shapes`, {
    method: "POST",
    headers: { authorization: `Bearer ${keyOf(id)}`, "x-tensorgate-timeout-ms": "30000" },
    body,
    ...(signal && { signal }),
  });
  await response.arrayBuffer();
  return response.status;
}

async function flatPng(width: number, height: number): Promise<Uint8Array<ArrayBuffer>> {
  const create = { width, height, channels: 3, background: "#abc" } as const;
  return new Uint8Array(await sharp({ create }).png({ progressive: true }).toBuffer());
}

test("a picture of one column and 25 million rows is refused by its header", async () => {
  expect(await post("modest", await thinPng())).toBe(413);
});

/** Its rows are of no interest: the header says enough. */
async function thinPng(): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await flatPng(1, 8);
  new DataView(bytes.buffer).setUint32(20, 25_000_000);
  return bytes;
}

test("callers who loop pictures of 25 megapixels starve no other caller", async () => {
  const star = samplePicture("star");
  const large = await flatPng(1_525, 16_384);
  const over = new AbortController();
  let largeCount = 0;
  const loop = async (id: string): Promise<void> => {
    while (!over.signal.aborted) {
      await post(id, large, over.signal).catch(() => {});
      largeCount += 1;
    }
  };
  const loops = ["greedy-1", "greedy-2"].flatMap((id) =>
    Array.from({ length: 10 }, () => loop(id)),
  );
  const statuses: number[] = [];

  for (let count = 0; count < 4; count += 1) statuses.push(await post("modest", star));
  const largeCountThen = largeCount;
  over.abort();
  await Promise.all(loops);

  expect(statuses).toEqual([200, 200, 200, 200]);
  // In one queue each would have waited for all twenty.
  expect(largeCountThen).toBeLessThan(40);
}, 60_000);
