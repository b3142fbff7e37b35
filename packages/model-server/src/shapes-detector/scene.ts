import type { Random } from "@tensorgate/core";
import {
  blur,
  clamp01,
  colours,
  exposed,
  lighting,
  luminance,
  paperTexture,
  type Rgb,
  subdivided,
} from "../shapes/draw-picture.ts";
import { outlineOf, type Point } from "../shapes/outlines.ts";
import { insideMask, squaredDistances } from "../shapes/rasterise.ts";
import { shapeClasses } from "../shapes/shape-classes.ts";

/** A box in fractions of the picture. */
export interface Box {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

export interface SceneObject {
  /** 1 for the first of the shape classes; 0 is the background. */
  readonly classIndex: number;
  /** As tight as the ink is. */
  readonly box: Box;
}

/** Several symbols on one paper. */
export interface Scene {
  /** `[sizePx, sizePx, 3]`, 8 bits. */
  readonly pixels: Uint8Array;
  readonly objects: readonly SceneObject[];
}

/** Most symbols of a scene. */
const maxObjects = 4;

/** Half of a symbol's side, in fractions of the picture's. */
const scaleRange = [0.09, 0.4] as const;

/** Least difference of luminance between ink and paper. */
const minContrast = 42;

/** Draws 1 to 4 symbols of various sizes that do not touch, on plain, textured or ruled paper. */
export function drawScene(random: Random, sizePx: number): Scene {
  const { paper } = colours(random, false);
  const texture = paperTexture(random, sizePx);
  const light = lighting(random, sizePx);
  const noise = random.chance(0.7) ? random.between(0, 14) : 0;
  const pixels = new Float32Array(sizePx * sizePx * 3);
  for (let index = 0; index < sizePx * sizePx; index += 1) {
    const shade = texture(index % sizePx, Math.floor(index / sizePx));
    for (let channel = 0; channel < 3; channel += 1) {
      pixels[index * 3 + channel] = (paper[channel] ?? 0) + shade;
    }
  }

  const objects: SceneObject[] = [];
  const wanted = 1 + random.below(maxObjects);
  for (let attempt = 0; attempt < 12 && objects.length < wanted; attempt += 1) {
    const symbol = drawnSymbol(random, sizePx);
    if (!symbol || objects.some(({ box }) => touch(box, symbol.box))) continue;
    paint(pixels, symbol, inkFor(paper, random));
    objects.push({ classIndex: symbol.classIndex, box: symbol.box });
  }

  for (let index = 0; index < sizePx * sizePx; index += 1) {
    const brightness = light(index % sizePx, Math.floor(index / sizePx));
    for (let channel = 0; channel < 3; channel += 1) {
      pixels[index * 3 + channel] = (pixels[index * 3 + channel] as number) * brightness;
    }
  }
  if (random.chance(0.35)) blur(pixels, sizePx);
  return { pixels: exposed(pixels, random, noise), objects };
}

interface DrawnSymbol extends SceneObject {
  /** How much ink covers each pixel, 0..1. */
  readonly cover: Float32Array;
}

/** @returns undefined for one that would leave the picture */
function drawnSymbol(random: Random, sizePx: number): DrawnSymbol | undefined {
  const which = random.below(shapeClasses.length);
  const shape = shapeClasses[which];
  if (!shape) return undefined;
  const isOutline = random.chance(0.5);
  const outline = outlineOf(shape, random, isOutline);
  const [least, most] = scaleRange;
  // Each size is as likely as its double.
  const scalePx = sizePx * least * (most / least) ** random.next();
  const place = placement(random, { scalePx, sizePx });
  const closed = outline.closed.map((path) => subdivided(path, true).map(place));
  const open = outline.open.map((path) => subdivided(path, false).map(place));
  const penPx = Math.max(0.6, random.between(0.04, 0.13) * scalePx);
  const reachPx = penPx + 1.6;
  const toBorder = squaredDistances(closed, { isClosed: true, reachPx, sizePx });
  const toStroke = squaredDistances(open, { isClosed: false, reachPx, sizePx });
  const inside = insideMask(closed, sizePx);
  const cover = Float32Array.from(toBorder, (squared, index) => {
    const border = Math.sqrt(squared);
    const filled = isOutline ? penPx - border : inside[index] === 1 ? border : -border;
    return clamp01(Math.max(filled, penPx - Math.sqrt(toStroke[index] ?? 0)) + 0.5);
  });
  const box = boxOf(cover, sizePx);
  return box && { classIndex: which + 1, box, cover };
}

/** Turned a little, sheared, and somewhere in the picture. */
function placement(
  random: Random,
  { scalePx, sizePx }: { readonly scalePx: number; readonly sizePx: number },
): (point: Point) => Point {
  const angle = random.between(-0.3, 0.3);
  const shear = random.between(-0.15, 0.15);
  const aspect = random.between(0.88, 1.14);
  const centreX = random.between(scalePx, sizePx - scalePx);
  const centreY = random.between(scalePx, sizePx - scalePx);
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  return ([x0, y0]) => {
    const x = x0 * aspect + shear * y0;
    const y = y0 / aspect;
    return [centreX + scalePx * (x * cos - y * sin), centreY + scalePx * (x * sin + y * cos)];
  };
}

/** @returns undefined where there is no ink, or where it touches the edge */
function boxOf(cover: Float32Array, sizePx: number): Box | undefined {
  let [top, left, bottom, right] = [sizePx, sizePx, -1, -1];
  cover.forEach((share, index) => {
    if (share < 0.5) return;
    const x = index % sizePx;
    const y = Math.floor(index / sizePx);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
    left = Math.min(left, x);
    right = Math.max(right, x);
  });
  const isInside = top > 0 && left > 0 && bottom < sizePx - 1 && right < sizePx - 1;
  if (bottom < 0 || !isInside) return undefined;
  return {
    top: top / sizePx,
    left: left / sizePx,
    bottom: (bottom + 1) / sizePx,
    right: (right + 1) / sizePx,
  };
}

/** With a little room between them. */
function touch(a: Box, b: Box): boolean {
  const gap = 0.02;
  return (
    a.left < b.right + gap &&
    b.left < a.right + gap &&
    a.top < b.bottom + gap &&
    b.top < a.bottom + gap
  );
}

function inkFor(paper: Rgb, random: Random): Rgb {
  for (;;) {
    const { ink } = colours(random, false);
    if (Math.abs(luminance(ink) - luminance(paper)) >= minContrast) return ink;
  }
}

function paint(pixels: Float32Array, { cover }: DrawnSymbol, ink: Rgb): void {
  cover.forEach((share, index) => {
    if (share === 0) return;
    for (let channel = 0; channel < 3; channel += 1) {
      const at = index * 3 + channel;
      const ground = pixels[at] as number;
      pixels[at] = ground + ((ink[channel] ?? 0) - ground) * share;
    }
  });
}
