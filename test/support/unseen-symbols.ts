import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Random, seededRandom } from "@tensorgate/core";
import sharp from "sharp";

/** Symbols that the shapes model was not trained on: whether a point in a square from -1 to 1 is ink. */
const symbols: Readonly<Record<string, (x: number, y: number) => boolean>> = {
  ring: (x, y) => Math.hypot(x, y) < 0.9 && Math.hypot(x, y) > 0.5,
  ell: (x, y) =>
    (x > -0.7 && x < -0.3 && Math.abs(y) < 0.85) || (y > 0.5 && y < 0.85 && x > -0.7 && x < 0.7),
  tee: (x, y) =>
    (Math.abs(x) < 0.2 && y > -0.85 && y < 0.85) || (y > -0.85 && y < -0.5 && Math.abs(x) < 0.8),
  hourglass: (x, y) => Math.abs(y) < 0.85 && Math.abs(x) < 0.1 + Math.abs(y) * 0.85,
  pacman: (x, y) => Math.hypot(x, y) < 0.85 && !(x > 0 && Math.abs(y) < x * 0.75),
  stairs: (x, y) =>
    Math.max(Math.abs(x), Math.abs(y)) < 0.85 && y > -Math.floor((x + 0.85) / 0.43) * 0.43 + 0.42,
  equals: (x, y) => Math.abs(x) < 0.8 && Math.abs(y) > 0.2 && Math.abs(y) < 0.55,
  hash: (x, y) => Math.max(Math.abs(x), Math.abs(y)) < 0.85 && (near(x) || near(y)),
};

const near = (at: number) => Math.abs(Math.abs(at) - 0.35) < 0.14;

export const symbolNames: readonly string[] = Object.keys(symbols);

const sidePx = 160;

/** Draws a symbol in a random place, size, turn and pair of colours, as a JPEG. */
export function drawnSymbol(name: string, random: Random): Promise<Buffer> {
  const isInk = symbols[name];
  if (!isInk) throw new RangeError(`unknown symbol ${name}`);
  const colour = (low: number, high: number) =>
    Array.from({ length: 3 }, () => random.between(low, high));
  const isDark = random.chance(0.5);
  const paper = isDark ? colour(0, 90) : colour(170, 255);
  const ink = isDark ? colour(170, 255) : colour(0, 90);
  const scale = random.between(0.5, 0.85) * (sidePx / 2);
  const turn = random.between(-0.25, 0.25);
  const [left, top] = [0, 0].map(() => sidePx / 2 + random.between(-0.08, 0.08) * sidePx);
  const pixels = new Uint8Array(sidePx * sidePx * 3);
  for (let at = 0; at < sidePx * sidePx; at += 1) {
    const x = ((at % sidePx) - (left ?? 0)) / scale;
    const y = (Math.floor(at / sidePx) - (top ?? 0)) / scale;
    const turned = [
      x * Math.cos(turn) + y * Math.sin(turn),
      y * Math.cos(turn) - x * Math.sin(turn),
    ] as const;
    const of = isInk(...turned) ? ink : paper;
    for (let channel = 0; channel < 3; channel += 1) {
      pixels[at * 3 + channel] = Math.max(
        0,
        Math.min(255, (of[channel] ?? 0) + random.between(-10, 10)),
      );
    }
  }
  const raw = { width: sidePx, height: sidePx, channels: 3 } as const;
  return sharp(pixels, { raw }).jpeg({ quality: 85 }).toBuffer();
}

/** Writes folders of symbols, one for each: `FOLDER/ring/00.jpg` … */
export async function writeSymbols(
  folder: string,
  {
    names = symbolNames,
    perClass,
    seed,
  }: { readonly names?: readonly string[]; readonly perClass: number; readonly seed: number },
): Promise<void> {
  const random = seededRandom(seed);
  for (const name of names) {
    mkdirSync(join(folder, name), { recursive: true });
    for (let count = 0; count < perClass; count += 1) {
      const file = join(folder, name, `${String(count).padStart(2, "0")}.jpg`);
      writeFileSync(file, await drawnSymbol(name, random));
    }
  }
}
