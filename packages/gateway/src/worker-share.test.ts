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
    pools: [pool],
    listen: { maxConnections: 100, port: 1 },
    requests: { maxBytesInFlight: 1_001 },
    decoding: { processes: 5, maxWaiting: 10 },
    cache: { maxBytes: 4_000 },
  };

  const parts = [1, 2, 3].map((number) => workerShare(options, { number, count: 3 }));
  const sumOf = (figureOf: (part: (typeof parts)[number]) => unknown) =>
    parts.reduce((sum, part) => sum + Number(figureOf(part)), 0);

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

const sharing = {
  address: "127.0.0.1:1",
  secret: { env: "SECRET" },
  lease: { file: "lease" },
} as const;

test.each([
  { what: "a number", options: { parallelism: 3 }, isShared: true },
  { what: "a dialect of devices", options: { dialect: "azure-fpga" as const }, isShared: true },
  { what: "nothing", options: {}, isShared: false },
  { what: "auto", options: { parallelism: "auto" as const }, isShared: false },
  {
    what: "auto at a device",
    options: { parallelism: "auto" as const, dialect: "azure-fpga" as const },
    isShared: false,
  },
])("slots are shared where their number is configured: $what", ({ options, isShared }) => {
  const pools = [pool, { ...pool, model: "other", ...options }];

  const part = workerShare({ pools }, { number: 2, count: 4, sharing });

  expect(part.pools).toBe(pools);
  expect(part.sharing).toEqual(isShared ? sharing : undefined);
});

test("one worker counts the devices of the cluster for all", () => {
  const options = { pools: [pool], capacity: { resources: ["xilinx.com/fpga"] } };
  const shares = [1, 2].map((number) => workerShare(options, { number, count: 2 }).capacity);

  expect(shares).toEqual([options.capacity, undefined]);
});

test.each([
  {
    what: "exclusive devices",
    options: { pools: [pool, { ...pool, exclusive: true }] },
    message: "pools[1].exclusive: one process swaps the models of a device",
  },
  {
    what: "gateways that share slots already",
    options: { pools: [pool], sharing },
    message: "sharing: workers share with each other only",
  },
])("$what cannot have several workers", ({ options, message }) => {
  expect(() => workerShare(options, { number: 1, count: 2 })).toThrow(message);
});
