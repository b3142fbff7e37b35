import type { Random } from "@tensorgate/core";
import { outlineOf, type Point } from "./outlines.ts";
import { insideMask, squaredDistances, squaredDistanceToSegment } from "./rasterise.ts";
import type { ShapeClass } from "./shape-classes.ts";

/** Side of a training picture, in pixels: a quarter of what the served model takes. */
export const trainingSizePx = 56;

export type Rgb = readonly [number, number, number];

/**
 * Draws one picture of `shape`: filled or by pen, turned, sheared and in perspective, on plain, textured or
 * ruled paper with some clutter, lit unevenly, blurred and noisy. The same draws give the same bytes everywhere.
 *
 * @returns `[sizePx, sizePx, 3]`, 8 bits
 */
export function drawPicture(
  shape: ShapeClass,
  random: Random,
  sizePx: number = trainingSizePx,
): Uint8Array {
  const isOutline = random.chance(0.5);
  const outline = outlineOf(shape, random, isOutline);
  const { place, scalePx } = placement(random, sizePx);
  const closed = outline.closed.map((path) => subdivided(path, true).map(place));
  const open = outline.open.map((path) => subdivided(path, false).map(place));
  const penPx = Math.max(0.55, random.between(0.035, 0.13) * scalePx);
  const { paper, ink, body } = colours(random, isOutline);
  const texture = paperTexture(random, sizePx);
  const light = lighting(random, sizePx);
  const noise = random.chance(0.7) ? random.between(0, 16) : 0;
  const blurCount = random.chance(0.35) ? 1 + random.below(2) : 0;

  const reachPx = penPx + 1.6;
  const toBorder = squaredDistances(closed, { isClosed: true, reachPx, sizePx });
  const toStroke = squaredDistances(open, { isClosed: false, reachPx, sizePx });
  const inside = insideMask(closed, sizePx);

  const pixels = new Float32Array(sizePx * sizePx * 3);
  for (let index = 0; index < sizePx * sizePx; index += 1) {
    const x = index % sizePx;
    const y = Math.floor(index / sizePx);
    const isInside = inside[index] === 1;
    const border = Math.sqrt(toBorder[index] ?? 0);
    const filledCover = isOutline ? penPx - border : isInside ? border : -border;
    const strokeCover = penPx - Math.sqrt(toStroke[index] ?? 0);
    const cover = clamp01(Math.max(filledCover, strokeCover) + 0.5);
    const shade = texture(x, y);
    const brightness = light(x, y);
    for (let channel = 0; channel < 3; channel += 1) {
      const ground = body && isInside ? (body[channel] ?? 0) : (paper[channel] ?? 0) + shade;
      const value = ground + ((ink[channel] ?? 0) - ground) * cover;
      pixels[index * 3 + channel] = value * brightness;
    }
  }
  for (let count = 0; count < blurCount; count += 1) blur(pixels, sizePx);
  return exposed(pixels, random, noise);
}

/** Where the symbol goes, and how it is bent on the way. */
function placement(random: Random, sizePx: number) {
  const angle = random.between(-0.32, 0.32);
  const scalePx = (random.between(0.5, 0.95) * sizePx) / 2;
  const shear = random.between(-0.18, 0.18);
  const aspect = random.between(0.88, 1.14);
  const tiltX = random.between(-0.16, 0.16);
  const tiltY = random.between(-0.16, 0.16);
  const room = Math.max(1, sizePx / 2 - scalePx * 0.8);
  const centreX = sizePx / 2 + random.between(-1, 1) * room;
  const centreY = sizePx / 2 + random.between(-1, 1) * room;
  const wobble = random.chance(0.5) ? random.between(0, 0.045) : 0;
  const wave = {
    x: random.between(3, 8),
    y: random.between(3, 8),
    phaseX: random.between(0, 2 * Math.PI),
    phaseY: random.between(0, 2 * Math.PI),
  };
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);

  const place = ([x0, y0]: Point): Point => {
    const x1 = x0 + wobble * Math.sin(wave.x * y0 + wave.phaseX);
    const y1 = y0 + wobble * Math.sin(wave.y * x0 + wave.phaseY);
    const x2 = x1 * aspect + shear * y1;
    const y2 = y1 / aspect;
    const nearness = 1 / (1 + tiltX * x2 + tiltY * y2);
    const x = x2 * nearness;
    const y = y2 * nearness;
    return [centreX + scalePx * (x * cos - y * sin), centreY + scalePx * (x * sin + y * cos)];
  };
  return { place, scalePx };
}

/** Long straight edges need points in between, to bend as the rest does. */
export function subdivided(path: readonly Point[], isClosed: boolean): readonly Point[] {
  if (path.length > 14) return path;
  const edges = path.flatMap((from, index): readonly Point[] => {
    const to = path[index + 1] ?? (isClosed ? path[0] : undefined);
    if (!to) return [from];
    return [0, 1, 2].map((third) => [
      from[0] + ((to[0] - from[0]) * third) / 3,
      from[1] + ((to[1] - from[1]) * third) / 3,
    ]);
  });
  return edges;
}

export interface Colours {
  readonly paper: Rgb;
  readonly ink: Rgb;
  readonly body: Rgb | undefined;
}

/** Paper and ink that differ; sometimes the body of a pen drawing is tinted. */
export function colours(random: Random, isOutline: boolean): Colours {
  const any = (): Rgb => [random.between(0, 255), random.between(0, 255), random.between(0, 255)];
  const around = (level: number, spread: number): Rgb => [
    level + random.between(-spread, spread),
    level + random.between(-spread, spread),
    level + random.between(-spread, spread),
  ];
  const paper = random.chance(0.4) ? around(random.between(150, 250), 12) : any();
  let ink: Rgb;
  do {
    ink = random.chance(0.3) ? around(random.between(10, 90), 10) : any();
  } while (Math.abs(luminance(ink) - luminance(paper)) < 42);
  const tint = random.between(0.2, 0.6);
  const mixed = (channel: 0 | 1 | 2) => paper[channel] + (ink[channel] - paper[channel]) * tint;
  const body: Rgb | undefined =
    isOutline && random.chance(0.3) ? [mixed(0), mixed(1), mixed(2)] : undefined;
  return { paper, ink, body };
}

export function luminance([red, green, blue]: Rgb): number {
  return 0.299 * red + 0.587 * green + 0.114 * blue;
}

/** What the paper adds to each pixel: grain, ruled lines, and marks along its edges. */
export function paperTexture(random: Random, sizePx: number): (x: number, y: number) => number {
  const grain = random.chance(0.5) ? random.between(0, 38) : 0;
  const cells = 4 + random.below(9);
  const side = cells + 2;
  const grid = Float32Array.from({ length: side * side }, () => random.between(-1, 1));
  const ruledEveryPx = random.chance(0.25) ? random.between(4, 10) * (sizePx / trainingSizePx) : 0;
  const ruledShade = random.between(-45, 45);
  const isSquared = random.chance(0.5);
  const ruledFrom = random.between(0, 9);
  const marks = random.chance(0.35) ? edgeMarks(random, sizePx) : [];

  return (x, y) => {
    let shade =
      grain === 0 ? 0 : grain * smoothNoise({ grid, side, cells }, x / sizePx, y / sizePx);
    if (ruledEveryPx > 0) {
      const isOnLine = (y + ruledFrom) % ruledEveryPx < 1;
      if (isOnLine || (isSquared && (x + ruledFrom) % ruledEveryPx < 1)) shade += ruledShade;
    }
    for (const { from, to, widthPx, shade: markShade } of marks) {
      const distance = Math.sqrt(squaredDistanceToSegment([x + 0.5, y + 0.5], from, to));
      shade += markShade * clamp01(widthPx - distance + 0.5);
    }
    return shade;
  };
}

interface Mark {
  readonly from: Point;
  readonly to: Point;
  readonly widthPx: number;
  readonly shade: number;
}

function edgeMarks(random: Random, sizePx: number): readonly Mark[] {
  return Array.from({ length: 1 + random.below(4) }, () => {
    const edge = random.below(4);
    const at = random.between(0, sizePx);
    const far = at + random.between(3, sizePx * 0.5);
    const depth = random.between(0, 6);
    const ends: readonly (readonly [Point, Point])[] = [
      [
        [at, 0],
        [far, depth],
      ],
      [
        [at, sizePx],
        [far, sizePx - depth],
      ],
      [
        [0, at],
        [depth, far],
      ],
      [
        [sizePx, at],
        [sizePx - depth, far],
      ],
    ];
    const [from, to] = ends[edge] ?? [[0, 0] as Point, [0, 0] as Point];
    return { from, to, widthPx: random.between(0.6, 3), shade: random.between(-70, 70) };
  });
}

/** Bilinear noise over a grid; `u` and `v` in 0..1. */
function smoothNoise(
  { grid, side, cells }: { grid: Float32Array; side: number; cells: number },
  u: number,
  v: number,
): number {
  const x = Math.floor(u * cells);
  const y = Math.floor(v * cells);
  const fx = u * cells - x;
  const fy = v * cells - y;
  const at = (column: number, row: number) => grid[row * side + column] ?? 0;
  const top = at(x, y) * (1 - fx) + at(x + 1, y) * fx;
  const bottom = at(x, y + 1) * (1 - fx) + at(x + 1, y + 1) * fx;
  return top * (1 - fy) + bottom * fy;
}

/** A lamp to one side. */
export function lighting(random: Random, sizePx: number): (x: number, y: number) => number {
  const slopeX = random.between(-0.5, 0.5);
  const slopeY = random.between(-0.5, 0.5);
  const strength = random.chance(0.6) ? random.between(0, 0.45) : 0;
  return (x, y) => 1 + strength * 2 * (slopeX * (x / sizePx - 0.5) + slopeY * (y / sizePx - 0.5));
}

/** Mean of the 3×3 neighbours, in place; the border is repeated. */
export function blur(pixels: Float32Array, sizePx: number): void {
  const before = pixels.slice();
  const within = (position: number) => Math.min(sizePx - 1, Math.max(0, position));
  for (let y = 0; y < sizePx; y += 1) {
    for (let x = 0; x < sizePx; x += 1) {
      for (let channel = 0; channel < 3; channel += 1) {
        let sum = 0;
        for (let dy = -1; dy <= 1; dy += 1) {
          for (let dx = -1; dx <= 1; dx += 1) {
            sum += before[(within(y + dy) * sizePx + within(x + dx)) * 3 + channel] ?? 0;
          }
        }
        pixels[(y * sizePx + x) * 3 + channel] = sum / 9;
      }
    }
  }
}

/** Gain, bias and noise of a camera, then 8 bits. */
export function exposed(pixels: Float32Array, random: Random, noise: number): Uint8Array {
  const gain = random.between(0.75, 1.2);
  const bias = random.between(-20, 20);
  return Uint8Array.from(pixels, (pixel) => {
    // The sum of three uniform draws is close enough to a normal one, and exact everywhere.
    const grain =
      noise === 0 ? 0 : noise * 2 * (random.next() + random.next() + random.next() - 1.5);
    return Math.min(255, Math.max(0, pixel * gain + bias + grain));
  });
}

export function clamp01(value: number): number {
  return Math.min(1, Math.max(0, value));
}
