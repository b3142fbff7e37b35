import { readFileSync } from "node:fs";
import { float32Values, type Preprocessing } from "@tensorgate/core";
import { manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { decodePicture } from "../decode-picture.ts";
import { readPictureHeader } from "../header/picture-header.ts";
import { preprocessPicture } from "../preprocess-picture.ts";
import type { DecodeCall } from "./decode-call.ts";
import { createDecoderStarter } from "./decoder-child.ts";
import { createDecoderPool } from "./decoder-pool.ts";
import { type DecoderOptions, decoderDefaults } from "./options.ts";

const classifierPreprocessing: Preprocessing = {
  resize: { kind: "shorter-side", px: 256, crop: { heightPx: 224, widthPx: 224 } },
  coordinates: "tensorflow-1",
  channelOrder: "rgb",
  mean: [123.68, 116.779, 103.939],
  scale: 1,
};
const limits = { maxPixels: 25_000_000 };
const never = { signal: new AbortController().signal };
const star = readFileSync(new URL("../../../../examples/pictures/star.jpg", import.meta.url));
const misbehaving = new URL("testing/misbehaving-decoder.mjs", import.meta.url);

function poolOf(options: DecoderOptions = {}, script?: URL) {
  const clock = manualClock();
  const start = createDecoderStarter(script ? { script } : {});
  let takenCount = 0;
  const pool = createDecoderPool({
    options: { ...decoderDefaults, ...options },
    clock,
    start: (events) =>
      start({
        ...events,
        onTaken: () => {
          events.onTaken();
          takenCount += 1;
          if (decoders.killsLeft === 0) return;
          decoders.killsLeft -= 1;
          for (const processId of pool.processIds) process.kill(processId, "SIGKILL");
        },
      }),
    // A decoder that misbehaves is not asked about pictures.
    ...(script && { costOf: () => 1 }),
  });
  const ask = (picture: Uint8Array | string, call: Partial<DecodeCall> = {}) =>
    pool.preprocess(Buffer.from(picture), classifierPreprocessing, limits, { ...never, ...call });
  const untilTaken = (count: number) => expect.poll(() => takenCount).toBeGreaterThanOrEqual(count);
  const decoders = {
    pool,
    clock,
    ask,
    untilTaken,
    /** Decoders that are killed as soon as they have a picture. */
    killsLeft: 0,
    [Symbol.asyncDispose]: pool.close,
  };
  return decoders;
}

test("a picture becomes the same tensor as in this process", async () => {
  await using decoders = poolOf();

  const tensor = await decoders.ask(star);

  const expected = preprocessPicture(await decodePicture(star, limits), classifierPreprocessing);
  expect(tensor.shape).toEqual([1, 224, 224, 3]);
  expect(float32Values(tensor)).toEqual(float32Values(expected));
});

test("a picture is converted as in this process", async () => {
  await using decoders = poolOf();

  const converted = await decoders.pool.convert(star, limits, never);

  expect(readPictureHeader(converted.bytes)).toMatchObject({ format: "png", size: converted.size });
});

test("what is no picture is refused in the decoder's own words", async () => {
  await using decoders = poolOf();

  await expect(decoders.ask("no picture")).rejects.toMatchObject({ reason: "unsupported-media" });
  await expect(decoders.ask(star.subarray(0, 2_000))).rejects.toMatchObject({
    reason: "unsupported-media",
    hint: expect.any(String),
  });
});

test("a decoder that is killed while it works harms no picture", async () => {
  await using decoders = poolOf({ processes: 1 });
  const asked = Array.from({ length: 40 }, () => decoders.ask(star));
  for (let round = 0; round < 5; round += 1) {
    // Until then, what was at the last one that was killed has been done again.
    await Promise.all(asked.slice(0, round * 8 + 1));
    const [processId] = decoders.pool.processIds;
    if (processId !== undefined) process.kill(processId, "SIGSEGV");
  }

  const tensors = await Promise.all(asked);

  expect(new Set(tensors.map((tensor) => float32Values(tensor)[0])).size).toBe(1);
});

test("a picture that ends two decoders is refused, and the others are not harmed", async () => {
  await using decoders = poolOf({}, misbehaving);

  const asked = ["good", "dies", "good", "dies", "good", "good"].map((text) => decoders.ask(text));
  const outcomes = await Promise.allSettled(asked);

  expect(outcomes.map(({ status }) => status)).toEqual([
    "fulfilled",
    "rejected",
    "fulfilled",
    "rejected",
    "fulfilled",
    "fulfilled",
  ]);
  await expect(decoders.ask("dies")).rejects.toMatchObject({ reason: "unsupported-media" });
});

test.each([
  { picture: "dies", signal: "SIGSEGV", reason: "unsupported-media" },
  { picture: "abort", signal: "SIGABRT", reason: "unsupported-media" },
  { picture: "killed", signal: "SIGKILL", reason: "overloaded" },
  { picture: "term", signal: "SIGTERM", reason: "overloaded" },
])("decoders that end with $signal make a picture $reason", async ({ picture, reason }) => {
  await using decoders = poolOf({ processes: 1 }, misbehaving);

  await expect(decoders.ask(picture)).rejects.toMatchObject({ reason });
  expect((await decoders.ask("good")).shape).toEqual([1]);
});

test("a picture whose decoder is killed from outside is decoded by another one", async () => {
  await using decoders = poolOf({ processes: 1 });
  // Two crashes would be the picture's fault.
  decoders.killsLeft = 2;

  expect((await decoders.ask(star)).shape).toEqual([1, 224, 224, 3]);
  expect(decoders.killsLeft).toBe(0);
});

test("a picture that takes too long is refused, and its decoder is ended", async () => {
  await using decoders = poolOf({ processes: 1 }, misbehaving);
  const silent = decoders.ask("silence");
  const next = decoders.ask("good");

  await decoders.untilTaken(1);
  decoders.clock.advance(5_000);

  await expect(silent).rejects.toThrow("within 5000 ms");
  expect((await next).shape).toEqual([1]);
});

test("more than may wait is overload", async () => {
  await using decoders = poolOf({ processes: 1, maxWaiting: 2 }, misbehaving);
  const asked = ["silence", "good", "good"].map((text) => decoders.ask(text).catch(() => {}));

  expect(decoders.pool.waitingCount).toBe(2);
  await expect(decoders.ask("good")).rejects.toMatchObject({ reason: "overloaded" });
  await decoders.pool.close();
  await Promise.all(asked);
});

test("a caller who leaves leaves the queue", async () => {
  await using decoders = poolOf({ processes: 1 }, misbehaving);
  const silent = decoders.ask("silence").catch(() => {});
  const controller = new AbortController();
  const waiting = decoders.ask("good", { signal: controller.signal });

  controller.abort(new Error("gone"));

  await expect(waiting).rejects.toThrow("gone");
  expect(decoders.pool.waitingCount).toBe(0);
  await expect(decoders.ask("good", { signal: controller.signal })).rejects.toThrow("gone");
  await decoders.pool.close();
  await silent;
});

test("a decoder that holds too much memory is replaced", async () => {
  await using decoders = poolOf({ processes: 1 }, misbehaving);

  const [first] = float32Values(await decoders.ask("fat"));
  const [second] = float32Values(await decoders.ask("good"));

  expect(first).not.toBe(second);
});

test("a decoder sees nothing of the environment", async () => {
  await using decoders = poolOf({}, misbehaving);

  const error = await decoders.ask("env").catch((thrown: Error) => thrown);

  const names = (error as Error).message.split(",").filter((name) => !name.startsWith("NODE_"));
  expect(names.filter((name) => name !== "")).toEqual([]);
});

test("closing ends the decoders and answers the calls that wait", async () => {
  const decoders = poolOf({ processes: 1 }, misbehaving);
  const asked = [decoders.ask("silence"), decoders.ask("good")];
  const outcomes = Promise.allSettled(asked);
  const { processIds } = decoders.pool;
  await decoders.untilTaken(1);

  await decoders.pool.close();

  // Neither is at fault, so that both may be asked again elsewhere.
  expect(await outcomes).toMatchObject([
    { reason: { reason: "overloaded" } },
    { reason: { reason: "overloaded" } },
  ]);
  expect(processIds.filter(isAlive)).toEqual([]);
  await expect(decoders.ask("good")).rejects.toMatchObject({ reason: "overloaded" });
});

function isAlive(processId: number): boolean {
  try {
    return process.kill(processId, 0);
  } catch {
    return false;
  }
}
