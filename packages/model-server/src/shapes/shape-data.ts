import { seededRandom } from "@tensorgate/core";
import { drawPicture, trainingSizePx } from "./draw-picture.ts";
import { shapeClasses } from "./shape-classes.ts";

/** Drawings with their classes. */
export interface ShapeData {
  /** `[count, trainingSizePx, trainingSizePx, 3]`, 8 bits. */
  readonly pictures: Uint8Array;
  /** Index of the class of each. */
  readonly classes: Uint8Array;
}

/** Bytes of one picture. */
export const pictureBytes: number = trainingSizePx * trainingSizePx * 3;

/** Draws `count` pictures, the classes in turn. */
export function drawShapeData(count: number, seed: number): ShapeData {
  const random = seededRandom(seed);
  const pictures = new Uint8Array(count * pictureBytes);
  const classes = Uint8Array.from({ length: count }, (_, index) => index % shapeClasses.length);
  for (const [index, shapeIndex] of classes.entries()) {
    const shape = shapeClasses[shapeIndex];
    if (shape) pictures.set(drawPicture(shape, random), index * pictureBytes);
  }
  return { pictures, classes };
}

/** Seed of the drawings that are kept from training. */
export const heldOutSeed = 777;
export const trainingSeed = 1;
