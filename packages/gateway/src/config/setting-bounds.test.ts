import { readdirSync, readFileSync } from "node:fs";
import { maxTimerDelayMs } from "@tensorgate/core";
import { expect, test } from "vitest";
import { configJsonSchema } from "./config-schema.ts";
import { checkedOptions } from "./parse-config.ts";

interface JsonSchema {
  readonly type?: string;
  readonly maximum?: number;
  readonly [keyword: string]: unknown;
}

interface NumberSetting {
  readonly path: string;
  readonly maximum: number;
}

/** What zod writes for an integer without an upper bound. */
const unbounded = Number.MAX_SAFE_INTEGER;

/** Every number of a schema, with the names that lead to it. */
function* numbersOf(schema: JsonSchema, path: readonly string[] = []): Iterable<NumberSetting> {
  if (schema.type === "integer" || schema.type === "number") {
    yield { path: path.join("."), maximum: schema.maximum ?? unbounded };
  }
  for (const [key, value] of Object.entries(schema)) {
    if (typeof value !== "object" || value === null) continue;
    const isName = !keywords.has(key) && !/^\d+$/.test(key);
    yield* numbersOf(value as JsonSchema, isName ? [...path, key] : path);
  }
}

const keywords: ReadonlySet<string> = new Set([
  ...["properties", "items", "prefixItems", "anyOf", "oneOf", "allOf"],
  ...["additionalProperties", "propertyNames"],
]);

const settings = [...numbersOf(configJsonSchema() as JsonSchema)];
const isDuration = ({ path }: NumberSetting) => /(Ms|Seconds)(\.|$)/.test(path);

test("the walk finds durations, sizes and counts wherever they are", () => {
  const paths = settings.map(({ path }) => path);

  expect(paths).toEqual(
    expect.arrayContaining([
      ...["requests.maxTimeoutMs", "routing.roundTripsMs", "cache.ttlMs", "decoding.timeoutMs"],
      ...["upstream.connectTimeoutMs", "listen.idleTimeoutMs", "pictures.maxPixels"],
      ...["pools.batch.maxPictures", "models.classCount"],
    ]),
  );
});

test("no duration is longer than a timer takes", () => {
  expect(settings.filter((each) => isDuration(each) && each.maximum > maxTimerDelayMs)).toEqual([]);
});

/** Values that pixels are calculated with, no limits. */
const values = /\.(mean|std|scale)$/;

test("every other limit has an upper bound too", () => {
  expect(
    settings.filter(({ path, maximum }) => maximum >= unbounded && !values.test(path)),
  ).toEqual([]);
});

test.each([
  { requests: { maxTimeoutMs: 3e9 } },
  { requests: { defaultTimeoutMs: 2_147_483_648 } },
  { routing: { roundTripsMs: { eastus: 3e9 } } },
  { cache: { ttlMs: 1e12 } },
  { requests: { maxBytesInFlight: 1e15 } },
])("%j is rejected", (section) => {
  const pools = [{ model: "m", region: "r", replicas: ["127.0.0.1:9"] }];

  expect(() => checkedOptions({ pools, ...section })).toThrow(/must be at most \d+, got \d+/);
});

test("no schema of the sources is left out of the bounds: each bare integer has a maximum", () => {
  const sources = new URL("..", import.meta.url);
  const bare = readdirSync(sources, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
    .flatMap((file) =>
      [...readFileSync(new URL(file, sources), "utf8").matchAll(/(\w+): z\s*\.int\(\)[^,]*/g)]
        .map(([text]) => text)
        .filter((text) => !text.includes(".max("))
        .map((text) => `${file}: ${text}`),
    );

  expect(bare).toEqual([]);
});
