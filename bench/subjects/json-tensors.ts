// Reads the JSON of an image tensor in two ways, in turns, as often as its argument says. Prints megabytes per second.
import { float32Values, shortestFloat32 } from "@tensorgate/core";
import { readJsonBody, readPredictBody } from "@tensorgate/tf-serving";

/** Megabytes of text per second in each round, by reader. */
export type JsonTensorSpeeds = Readonly<Record<string, readonly number[]>>;

const sidePx = 224;
const channels = 3;
const valueCount = sidePx * sidePx * channels;
const readsPerRound = 20;
const warmUpRounds = 3;

/** Values between -0.5 and 0.5, in an order that no predictor learns. */
const values = Float32Array.from(
  { length: valueCount },
  (_, index) => ((index * 2_654_435_761) % 1_000_003) / 1_000_003 - 0.5,
);
const body = Buffer.from(JSON.stringify({ instances: [image(values)] }));

const readers: Readonly<Record<string, () => Float32Array>> = {
  tensorgate: () => {
    const { inputs } = readPredictBody(readJsonBody(body), new Map([["images", "float"]]));
    const tensor = inputs.get("images");
    if (!tensor) throw new Error("the body has no input");
    return float32Values(tensor);
  },
  "JSON.parse and flat": () => {
    const { instances } = JSON.parse(body.toString()) as { readonly instances: number[][][][] };
    return Float32Array.from(instances.flat(3));
  },
};

for (const [name, read] of Object.entries(readers)) {
  const found = read();
  const isRight =
    found.length === valueCount && found.every((each, index) => each === values[index]);
  if (!isRight) throw new Error(`${name} reads other values than were written`);
}
const rounds = Number(process.argv[2]);
const speeds: Record<string, number[]> = {};
for (let round = -warmUpRounds; round < rounds; round += 1) {
  for (const [name, read] of Object.entries(readers)) {
    const startedMs = performance.now();
    for (let count = 0; count < readsPerRound; count += 1) read();
    const seconds = (performance.now() - startedMs) / 1_000;
    const megabytesPerSecond = (readsPerRound * body.byteLength) / 1e6 / seconds;
    if (round >= 0) speeds[name] = [...(speeds[name] ?? []), megabytesPerSecond];
  }
}
process.stdout.write(JSON.stringify(speeds satisfies JsonTensorSpeeds));

/** @returns rows of pixels of channels, each value in the shortest text that reads back to it */
function image(flat: Float32Array): readonly (readonly (readonly number[])[])[] {
  const at = (row: number, column: number, channel: number) =>
    shortestFloat32(flat[(row * sidePx + column) * channels + channel] ?? 0);
  const count = (length: number) => Array.from({ length }, (_, index) => index);
  return count(sidePx).map((row) =>
    count(sidePx).map((column) => count(channels).map((channel) => at(row, column, channel))),
  );
}
