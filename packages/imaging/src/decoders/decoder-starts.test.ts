import { type ChildProcess, fork } from "node:child_process";
import { EventEmitter } from "node:events";
import { readFileSync } from "node:fs";
import { type Preprocessing, type ScoringError, UnsupportedMediaError } from "@tensorgate/core";
import { manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { createDecoderStarter, type DecoderProcessDeps } from "./decoder-child.ts";
import { createDecoderPool } from "./decoder-pool.ts";
import { type DecoderOptions, decoderDefaults } from "./options.ts";

const preprocessing: Preprocessing = {
  resize: { kind: "warp", heightPx: 8, widthPx: 8 },
  coordinates: "half-pixel",
  channelOrder: "rgb",
  mean: [0, 0, 0],
  scale: 1,
};
const star = readFileSync(new URL("../../../../examples/pictures/star.jpg", import.meta.url));
const misbehaving = new URL("testing/misbehaving-decoder.mjs", import.meta.url);

function poolOf(parts: DecoderProcessDeps, options: DecoderOptions = {}) {
  const clock = manualClock();
  const failures: ScoringError[] = [];
  let forkCount = 0;
  const { fork: forkOnce = fork, ...others } = parts;
  const pool = createDecoderPool({
    options: { ...decoderDefaults, ...options },
    clock,
    onStartFailure: (error) => failures.push(error),
    start: createDecoderStarter({
      ...others,
      fork: ((...args: Parameters<typeof fork>) => {
        forkCount += 1;
        return forkOnce(...args);
      }) as typeof fork,
    }),
    ...(parts.script && { costOf: () => 1 }),
  });
  const ask = (bytes: Uint8Array = star) =>
    pool.preprocess(
      bytes,
      preprocessing,
      { maxPixels: 1e6 },
      {
        signal: new AbortController().signal,
      },
    );
  return {
    pool,
    clock,
    ask,
    failures,
    forkCount: () => forkCount,
    [Symbol.asyncDispose]: pool.close,
  };
}

/** As Node answers when the system gives no process: by an event, without a channel. */
function forkThatEmits(code: string): typeof fork {
  return (() => {
    const child = Object.assign(new EventEmitter(), {
      pid: undefined,
      kill: () => false,
      ref: () => {},
      unref: () => {},
    });
    process.nextTick(() => child.emit("error", systemError(code)));
    return child as unknown as ChildProcess;
  }) as typeof fork;
}

function forkThatThrows(code: string): typeof fork {
  return (() => {
    throw systemError(code);
  }) as typeof fork;
}

function systemError(code: string): Error {
  return Object.assign(new Error(`spawn node ${code}`), { code });
}

test.each([
  { code: "EAGAIN", reason: "overloaded" },
  { code: "EMFILE", reason: "overloaded" },
  { code: "ENFILE", reason: "overloaded" },
  { code: "ENOMEM", reason: "overloaded" },
  { code: "ENOENT", reason: "internal" },
  { code: "EACCES", reason: "internal" },
])("a fork that fails with $code is $reason, and never the picture's fault", async (each) => {
  for (const fork of [forkThatEmits(each.code), forkThatThrows(each.code)]) {
    await using decoders = poolOf({ fork });

    await expect(decoders.ask()).rejects.toMatchObject({ reason: each.reason });
    expect(decoders.failures).not.toEqual([]);
    expect(decoders.failures[0]).toMatchObject({ cause: { code: each.code } });
  }
});

test("a decoder whose module is missing is the gateway's own failure", async () => {
  await using decoders = poolOf({ script: new URL("no-such-decoder.mjs", import.meta.url) });

  await expect(decoders.ask()).rejects.toMatchObject({ reason: "internal" });
  expect(decoders.failures[0]).toMatchObject({
    cause: { message: expect.stringContaining("exit code 1") },
  });
});

test("a process that is killed before it has begun is overload", async () => {
  const killed = ((...args: Parameters<typeof fork>) => {
    const child = fork(...args);
    child.kill("SIGKILL");
    return child;
  }) as typeof fork;
  await using decoders = poolOf({ fork: killed });

  await expect(decoders.ask()).rejects.toMatchObject({
    reason: "overloaded",
    retryAfterMs: expect.any(Number),
  });
});

test("while no decoder can be started, calls are rejected immediately and few are tried", async () => {
  await using decoders = poolOf({ fork: forkThatEmits("EAGAIN") });

  for (let count = 0; count < 50; count += 1) {
    await expect(decoders.ask()).rejects.toMatchObject({ reason: "overloaded" });
  }
  expect(decoders.forkCount()).toBeLessThanOrEqual(4);
  expect(decoders.pool.waitingCount).toBe(0);
});

test("when decoders can be started again, pictures are decoded again", async () => {
  let isShort = true;
  const shortage = forkThatEmits("EAGAIN");
  const sometimes = ((...args: Parameters<typeof fork>) =>
    isShort ? shortage(...args) : fork(...args)) as typeof fork;
  await using decoders = poolOf({ fork: sometimes });
  await expect(decoders.ask()).rejects.toMatchObject({ reason: "overloaded" });

  isShort = false;
  decoders.clock.advance(10_000);

  expect((await decoders.ask()).shape).toEqual([1, 8, 8, 3]);
});

test("one failed start among good ones harms no picture", async () => {
  let forkCount = 0;
  const failure = forkThatEmits("EAGAIN");
  const secondFails = ((...args: Parameters<typeof fork>) => {
    forkCount += 1;
    return forkCount === 1 ? failure(...args) : fork(...args);
  }) as typeof fork;
  await using decoders = poolOf({ fork: secondFails });

  const tensors = await Promise.all([decoders.ask(), decoders.ask(), decoders.ask()]);

  expect(tensors).toHaveLength(3);
});

test("a decoder that dies before it takes the picture says nothing against the picture", async () => {
  await using decoders = poolOf({ script: misbehaving }, { processes: 1 });

  const error = await decoders.ask(Buffer.from("quits")).catch((thrown) => thrown);

  expect(error).not.toBeInstanceOf(UnsupportedMediaError);
  expect(error).toMatchObject({ reason: "overloaded" });
  // Those that had begun do not count as failed starts.
  expect(decoders.failures).toEqual([]);
  expect((await decoders.ask(Buffer.from("good"))).shape).toEqual([1]);
});

test("a decoder that does not begin in time is replaced, and its picture is decoded", async () => {
  let isFirst = true;
  const stuck = new URL("testing/silent-decoder.mjs", import.meta.url).pathname;
  const firstIsStuck = ((script: string, args: readonly string[], options: object) => {
    const wanted = isFirst ? stuck : script;
    isFirst = false;
    return fork(wanted, args, options);
  }) as typeof fork;
  await using decoders = poolOf({ fork: firstIsStuck }, { processes: 1 });
  const asked = decoders.ask();

  decoders.clock.advance(5_000);

  expect((await asked).shape).toEqual([1, 8, 8, 3]);
  expect(decoders.failures).toHaveLength(1);
});
