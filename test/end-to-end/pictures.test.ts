import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { float32Tensor } from "@tensorgate/core";
import type { PoolOptions } from "@tensorgate/gateway";
import { readPictureHeader } from "@tensorgate/imaging";
import sharp, { type Sharp } from "sharp";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type FakeReplica, startFakeReplica } from "../support/fake-replica.ts";
import { samplePicture } from "../support/pictures.ts";
import {
  type RunningGateway,
  startGateway,
  startShapesGateway,
} from "../support/running-gateway.ts";

let replica: FakeReplica;
let plain: RunningGateway;
let batching: RunningGateway;
let shapes: RunningGateway;
/** The pictures of each `Predict`. */
const received: Uint8Array[][] = [];

/** What the replica cannot read. */
const poison = "poison";

beforeAll(async () => {
  replica = await startFakeReplica({
    answer: (request) => {
      const tensor = request.input("images");
      const elements = tensor.dtype === "BYTES" ? tensor.elements : [];
      received.push([...elements]);
      if (elements.some((bytes) => Buffer.from(bytes).includes(poison))) {
        return { code: 3, message: "one of them cannot be read" };
      }
      const rows = elements.flatMap((bytes) => [bytes.byteLength / 1e6, 0]);
      return new Map([["scores", float32Tensor([elements.length, 2], Float32Array.from(rows))]]);
    },
  });
  const model = {
    name: "m",
    input: { tensor: "images" },
    output: { scores: { holds: "probabilities" as const } },
  };
  const pool: PoolOptions = { model: "m", region: "westeurope", replicas: [replica.address] };
  const pictures = { additionalFormats: ["tiff" as const] };
  plain = await startGateway({}, { models: [model], pools: [pool], pictures });
  batching = await startGateway(
    {},
    { models: [model], pools: [{ ...pool, batch: { maxPictures: 3 } }] },
  );
  shapes = await startShapesGateway();
});
beforeEach(() => void received.splice(0));
afterAll(async () => {
  for (const each of [plain, batching, shapes, replica]) await each[Symbol.asyncDispose]();
});

type Bytes = Uint8Array<ArrayBuffer>;

async function classify({ url }: RunningGateway, pictures: readonly Bytes[], model = "m") {
  const form = new FormData();
  pictures.forEach((bytes, index) => {
    form.append(`picture${index}`, new Blob([bytes]), `picture${index}`);
  });
  const [only] = pictures;
  const body = pictures.length === 1 && only ? only : form;
  const response = await fetch(`${url}/v1/classify/${model}`, { method: "POST", body });
  const json = (await response.json()) as {
    reason?: string;
    results?: { id?: string; labels?: { score: number }[]; error?: { reason: string } }[];
  };
  return { status: response.status, ...json };
}

const drawn = sharp(samplePicture("star"));
const as = async (format: "png" | "webp" | "gif" | "tiff" | "avif"): Promise<Bytes> =>
  new Uint8Array(await drawn.clone().toFormat(format).toBuffer());

test("a JPEG and a PNG are sent as they are", async () => {
  const sent = [samplePicture("star"), await as("png")];

  for (const picture of sent) await classify(plain, [picture]);

  expect(received.flat().map((bytes) => Buffer.compare(bytes, sent.shift() as Bytes))).toEqual([
    0, 0,
  ]);
});

test.each(["webp", "gif", "tiff", "avif"] as const)("a %s is sent as a PNG", async (format) => {
  const { status } = await classify(plain, [await as(format)]);

  expect(status).toBe(200);
  const { width, height } = await drawn.metadata();
  expect(readPictureHeader(received[0]?.[0] ?? new Uint8Array())).toMatchObject({
    format: "png",
    size: { widthPx: width, heightPx: height },
  });
});

test("a format that no setting allows is refused", async () => {
  const { status, reason } = await classify(batching, [await as("tiff")]);

  expect([status, reason]).toEqual([415, "unsupported-media"]);
  expect(received).toEqual([]);
});

test("a CMYK JPEG is sent as a picture that every decoder reads", async () => {
  const cmyk = new Uint8Array(await drawn.clone().toColourspace("cmyk").jpeg().toBuffer());

  await classify(plain, [cmyk]);

  expect(readPictureHeader(cmyk).isBaseline).toBe(false);
  expect(readPictureHeader(received[0]?.[0] ?? cmyk).isBaseline).toBe(true);
});

/** What turns a picture so that each Exif orientation turns it back. Mirrors come before turns, however they are written. */
const turns: readonly ((image: Sharp) => Sharp)[] = [
  (image) => image,
  (image) => image.flop(),
  (image) => image.rotate(180),
  (image) => image.flip(),
  (image) => image.flop().rotate(270),
  (image) => image.rotate(270),
  (image) => image.flop().rotate(90),
  (image) => image.rotate(90),
];

test("all eight orientations of a picture have the same labels and scores", async () => {
  const upright = sharp(await as("png"));
  const pictures = await Promise.all(
    turns.map(async (turn, index) => {
      const turned = await turn(upright.clone()).png().toBuffer();
      const tagged = sharp(turned).withMetadata({ orientation: index + 1 });
      return new Uint8Array(await tagged.png().toBuffer());
    }),
  );

  const { results = [] } = await classify(shapes, pictures, "shapes");

  expect(results).toHaveLength(8);
  const [first, ...others] = results.map(({ labels }) => labels);
  expect(first).toHaveLength(5);
  for (const labels of others) expect(labels).toEqual(first);
});

test("pictures of a call go one by one, and a bad one fails alone", async () => {
  const good = samplePicture("star");
  const bad = withText(good, poison);

  const { results = [] } = await classify(plain, [good, bad, good]);

  expect(received.map((batch) => batch.length)).toEqual([1, 1, 1]);
  expect(results.map(({ error }) => error?.reason)).toEqual([
    undefined,
    "upstream-answered",
    undefined,
  ]);
});

test("pictures of a call go together where the pool says so, in order", async () => {
  const pictures = await Promise.all(
    ["star", "heart", "moon", "drop"].map(async (name) => samplePicture(name)),
  );

  const { results = [] } = await classify(batching, pictures);

  expect(received.map((batch) => batch.length).toSorted()).toEqual([1, 3]);
  expect(results.map(({ labels }) => Math.round((labels?.[0]?.score ?? 0) * 1e6))).toEqual(
    pictures.map(({ byteLength }) => byteLength),
  );
});

test("of a batch that is refused the good ones are answered all the same", async () => {
  const good = samplePicture("star");
  const text = new Uint8Array(Buffer.from("no picture"));

  const { results = [] } = await classify(batching, [good, withText(good, poison), text, good]);

  expect(results.map(({ error }) => error?.reason)).toEqual([
    undefined,
    "upstream-answered",
    "unsupported-media",
    undefined,
  ]);
});

/** A JPEG with a text after its end, where decoders do not look. */
function withText(picture: Bytes, text: string): Bytes {
  return new Uint8Array(Buffer.concat([picture, Buffer.from(text)]));
}

const folder = fileURLToPath(new URL("../../../shared/data/images/", import.meta.url));
const isHere = existsSync(folder);

test.skipIf(isHere)("odd pictures are skipped: their folder is not here", () => {});

test.runIf(isHere).each([
  { name: "cmyk.jpg", status: 200 },
  { name: "16-bit.png", status: 200 },
  { name: "alpha.png", status: 200 },
  { name: "animated.gif", status: 200 },
  { name: "animated.webp", status: 200 },
  { name: "pitm.avif", status: 200 },
  { name: "exif-orientation-6.jpg", status: 200 },
  { name: "snowleopardgaze.jpg", status: 200 },
  { name: "truncated.jpg", status: 400 },
  { name: "truncated.png", status: 400 },
  { name: "corrupt-header.jpg", status: 415 },
  { name: "circle.svg", status: 415 },
  { name: "8bit.tiff", status: 415 },
])("$name is answered with $status", async ({ name, status }) => {
  const bytes = new Uint8Array(readFileSync(folder + name));

  const answer = await classify(shapes, [bytes], "shapes");

  expect(answer.status).toBe(status);
});
