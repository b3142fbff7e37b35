/**
 * How fast the tensors of a `:predict` body are read, beside `JSON.parse` and a copy of its arrays into a typed array.
 *
 * `--json` prints one JSON object per row.
 */

import { parseArgs } from "node:util";
import { seededRandom } from "@tensorgate/core";
import { readJsonBody, readPredictBody } from "@tensorgate/tf-serving";

const { values: flags } = parseArgs({ options: { json: { type: "boolean", default: false } } });

/**
 * Rounds of each reader in turns, of which the median counts; a round takes about this long, in milliseconds: many kernels
 * count a thread's time in ticks of 4 ms.
 */
const rounds = 11;
const roundMs = 500;
const warmUpMs = 1_500;

interface Row {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: "float" | "double" | "int32";
  readonly number: (random: () => number) => string;
  /** Between numbers, as Python's `json` or JavaScript writes it. */
  readonly separator?: string;
}

const digits = (value: number, count: number) => String(Number(value.toPrecision(count)));
const picture = [1, 224, 224, 3];
const rows: readonly Row[] = [
  {
    name: "a picture, floats of 6 to 9 digits",
    shape: picture,
    type: "float",
    number: (random) => digits(random() * 4 - 2, 6 + Math.floor(random() * 4)),
  },
  {
    name: "the same, as Python separates them",
    shape: picture,
    type: "float",
    number: (random) => digits(random() * 4 - 2, 6 + Math.floor(random() * 4)),
    separator: ", ",
  },
  {
    name: "a picture, float32 written as doubles",
    shape: picture,
    type: "float",
    number: (random) => String(Math.fround(random() * 2 - 1)),
  },
  {
    name: "a picture, bytes as int32",
    shape: picture,
    type: "int32",
    number: (random) => String(Math.floor(random() * 256)),
  },
  {
    name: "features, doubles",
    shape: [64, 2_048],
    type: "double",
    number: (random) => String(random()),
  },
  {
    name: "32 rows of 10 floats",
    shape: [32, 10],
    type: "float",
    number: (random) => digits(random() * 4 - 2, 7),
  },
];

const arrays = { float: Float32Array, double: Float64Array, int32: Int32Array } as const;

function textOf([extent, ...inner]: readonly number[], leaf: () => string, comma: string): string {
  if (extent === undefined) return leaf();
  const elements = Array.from({ length: extent }, () => textOf(inner, leaf, comma));
  return `[${elements.join(comma)}]`;
}

type Nested = number | readonly Nested[];

function copyInto(
  value: Nested,
  target: InstanceType<(typeof arrays)[Row["type"]]>,
  at: number,
): number {
  if (typeof value === "number") {
    target[at] = value;
    return at + 1;
  }
  let next = at;
  for (let index = 0; index < value.length; index += 1) {
    next = copyInto(value[index] as Nested, target, next);
  }
  return next;
}

/** Milliseconds of one call of `read`, by the processor time of this thread. */
function timed(read: () => unknown, count: number): number {
  const before = process.threadCpuUsage();
  for (let index = 0; index < count; index += 1) read();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1e3 / count;
}

const median = (all: readonly number[]) => all.toSorted((a, b) => a - b)[all.length >> 1] as number;

for (const { name, shape, type, number, separator = "," } of rows) {
  const { next } = seededRandom(7);
  const body = Buffer.from(`{"instances": ${textOf(shape, () => number(next), separator)}}`);
  const count = shape.reduce((all, extent) => all * extent, 1);
  const types = new Map([["x", type]]);
  const ours = () => readPredictBody(readJsonBody(body), types);
  const parse = () => {
    const { instances } = JSON.parse(body.toString()) as { instances: Nested };
    const target = new arrays[type](count);
    copyInto(instances, target, 0);
    return target;
  };
  const until = performance.now() + warmUpMs;
  let calls = 0;
  for (; performance.now() < until; calls += 1) {
    ours();
    parse();
  }
  const perRound = Math.max(1, Math.round((calls * roundMs) / warmUpMs));
  const samples = Array.from({ length: rounds }, () => ({
    ours: timed(ours, perRound),
    parse: timed(parse, perRound),
  }));
  const oursMs = median(samples.map((sample) => sample.ours));
  const parseMs = median(samples.map((sample) => sample.parse));
  const row = {
    name,
    bytes: body.byteLength,
    numbers: count,
    oursMs: Number(oursMs.toPrecision(3)),
    parseMs: Number(parseMs.toPrecision(3)),
    ratio: Number((parseMs / oursMs).toFixed(2)),
  };
  process.stdout.write(
    flags.json
      ? `${JSON.stringify(row)}\n`
      : `${name.padEnd(40)} ${(body.byteLength / 1e3).toFixed(0).padStart(6)} KB  ${String(row.oursMs).padStart(7)} ms  JSON.parse ${String(row.parseMs).padStart(7)} ms  × ${row.ratio}\n`,
  );
}
