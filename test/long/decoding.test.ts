import { deflateSync } from "node:zlib";
import { type BytesTensor, float32Tensor, float32Values, type Tensor } from "@tensorgate/core";
import { preprocessPicture } from "@tensorgate/imaging";
import { decodePicture } from "@tensorgate/imaging/decode";
import { classifierPreprocessing } from "@tensorgate/tf-serving";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type FakeReplica, startFakeReplica } from "../support/fake-replica.ts";
import { hugePng, samplePicture } from "../support/pictures.ts";
import { type RunningGateway, startGateway } from "../support/running-gateway.ts";

let replica: FakeReplica;
let running: RunningGateway;
const received: Tensor[] = [];

beforeAll(async () => {
  replica = await startFakeReplica({
    answer: (request) => {
      received.push(request.input("input"));
      return new Map([["scores", float32Tensor([1, 2], Float32Array.of(0.25, 0.75))]]);
    },
  });
  running = await startGateway(
    { westeurope: [replica.address] },
    {
      // What a killed decoder was at comes next, so that no picture can meet with two of the kills.
      decoding: { processes: 1 },
      models: [
        {
          name: "shapes",
          input: {
            tensor: "input",
            kind: "pixels",
            heightPx: 224,
            widthPx: 224,
            shorterSidePx: 256,
            coordinates: "tensorflow-1",
            mean: [123.68, 116.779, 103.939],
          },
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

const star = samplePicture("star");

async function post(body: Uint8Array<ArrayBuffer>) {
  const response = await fetch(`${running.url}/v1/classify/shapes`, { method: "POST", body });
  return {
    status: response.status,
    body: (await response.json()) as Record<string, unknown>,
    headers: response.headers,
  };
}

test("a model that takes pixels gets those of the picture", async () => {
  const { status, body, headers } = await post(star);

  expect(status).toBe(200);
  expect(body).toMatchObject({
    results: [{ labels: [{ label: "yes", score: 0.75 }, { label: "no" }] }],
  });
  expect(headers.get("server-timing")).toMatch(/decode;dur=/);
  const sent = received.at(-1) as Exclude<Tensor, BytesTensor>;
  const image = await decodePicture(star, { maxPixels: 1e6 });
  expect(sent.shape).toEqual([1, 224, 224, 3]);
  expect(float32Values(sent as never)).toEqual(
    float32Values(preprocessPicture(image, classifierPreprocessing)),
  );
});

test("decoders that die of SIGSEGV during load harm no call", async () => {
  const statuses: number[] = [];
  let killedCount = 0;
  const caller = async (_: unknown, index: number) => {
    for (let count = 0; count < 20; count += 1) {
      statuses.push((await post(star)).status);
      if (index !== 0 || count % 5 !== 0) continue;
      for (const processId of running.gateway.load().decoders) {
        try {
          process.kill(processId, "SIGSEGV");
          killedCount += 1;
        } catch {
          // It is dying already.
        }
      }
    }
  };

  await Promise.all(Array.from({ length: 6 }).map(caller));

  expect(killedCount).toBeGreaterThanOrEqual(3);
  expect(new Set(statuses)).toEqual(new Set([200]));
});

/** A PNG with a colour profile whose text unpacks to `profileBytes`. */
async function pngWithProfile(profileBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const plain = await sharp({ create: { width: 8, height: 8, channels: 3, background: "red" } })
    .png()
    .toBuffer();
  const packed = deflateSync(Buffer.alloc(profileBytes));
  const data = Buffer.concat([Buffer.from("iCCPicc\0\0", "latin1"), packed]);
  const chunk = Buffer.alloc(data.length + 8);
  chunk.writeUInt32BE(data.length - 4, 0);
  data.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(data), data.length + 4);
  const afterHeader = 33;
  return new Uint8Array(
    Buffer.concat([plain.subarray(0, afterHeader), chunk, plain.subarray(afterHeader)]),
  );
}

function crc32(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb8_8320 : 0);
  }
  return (crc ^ 0xffff_ffff) >>> 0;
}

test("image bomb: pixels beyond the limit are refused before they are decoded", async () => {
  const { status, body } = await post(new Uint8Array(hugePng()));

  expect(status).toBe(413);
  expect(body).toMatchObject({ reason: "too-large" });
});

test("image bomb: of many frames one is decoded", async () => {
  const frames = 120;
  const side = 500;
  const pixels = Buffer.alloc(side * side * frames * 3, 0x40);
  const raw = { width: side, height: side * frames, channels: 3, pageHeight: side } as const;
  const gif = await sharp(pixels, { raw, limitInputPixels: false }).gif({ effort: 1 }).toBuffer();

  const { status } = await post(new Uint8Array(gif));

  expect(status).toBe(200);
});

test("image bomb: a colour profile of 200 MB is not unpacked here", async () => {
  const picture = await pngWithProfile(200 * 2 ** 20);
  const before = process.memoryUsage().rss;

  const { status } = await post(picture);

  expect([200, 415]).toContain(status);
  expect(process.memoryUsage().rss - before).toBeLessThan(100 * 2 ** 20);
  expect((await post(star)).status).toBe(200);
});
