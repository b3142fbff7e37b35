import { expect, test } from "vitest";
import type { PoolOptions } from "./config/gateway-options.ts";
import { workerShare } from "./worker-share.ts";

const pool: PoolOptions = { model: "shapes", region: "eastus", replicas: ["127.0.0.1:1"] };

test("one worker has the whole configuration", () => {
  const options = { pools: [pool] };

  expect(workerShare(options, { number: 1, count: 1 })).toBe(options);
});

test("the parts of all workers add up to the whole", () => {
  const options = {
    pools: [{ ...pool, parallelism: 7 }],
    listen: { maxConnections: 100, port: 1 },
    requests: { maxBytesInFlight: 1_001 },
    decoding: { processes: 5, maxWaiting: 10 },
    cache: { maxBytes: 4_000 },
  };

  const parts = [1, 2, 3].map((number) => workerShare(options, { number, count: 3 }));
  const sumOf = (figureOf: (part: (typeof parts)[number]) => unknown) =>
    parts.reduce((sum, part) => sum + Number(figureOf(part)), 0);

  expect(sumOf(({ pools }) => pools[0]?.parallelism)).toBe(7);
  expect(sumOf(({ listen }) => listen?.maxConnections)).toBe(100);
  expect(sumOf(({ requests }) => requests?.maxBytesInFlight)).toBe(1_001);
  expect(sumOf(({ decoding }) => decoding?.processes)).toBe(5);
  expect(sumOf(({ decoding }) => decoding?.maxWaiting)).toBe(10);
  expect(sumOf(({ cache }) => cache?.maxBytes)).toBe(4_000);
  expect(parts.map(({ listen }) => listen?.port)).toEqual([1, 1, 1]);
});

test("defaults are divided, too, and everyone can decode", () => {
  const part = workerShare({ pools: [pool] }, { number: 8, count: 8 });

  expect(part).toMatchObject({
    listen: { maxConnections: 2_048 },
    requests: { maxBytesInFlight: 67_108_864 },
    decoding: { processes: 1, maxWaiting: 32 },
    cache: { maxBytes: 8_388_608 },
    pools: [pool],
  });
});

test.each([
  { what: "a number", options: { parallelism: 3 }, limit: 3 },
  { what: "a device", options: { dialect: "azure-fpga" as const }, limit: 1 },
  { what: "an exclusive device", options: { exclusive: true }, limit: 1 },
])(
  "a replica that takes fewer calls than there are workers is refused: $what",
  ({ options, limit }) => {
    const share = () => workerShare({ pools: [{ ...pool, ...options }] }, { number: 1, count: 4 });

    expect(share).toThrow(
      `pools[0].parallelism: each replica of "shapes" in eastus processes ${limit} at a time, which 4 workers cannot divide; start at most ${limit}`,
    );
  },
);
