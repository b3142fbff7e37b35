// Pictures of the shapes drawn another way than those of training: paths of SVG, drawn by librsvg,
// as JPEGs. Runs as its own process, since decoding pictures blocks the SVG loader of the whole process:
// writes for each picture a byte with its class, four with its length, and the JPEG.

import { type Random, seededRandom } from "@tensorgate/core";
import sharp from "sharp";
import {
  type ShapeClass,
  shapeClasses,
} from "../../packages/model-server/src/shapes/shape-classes.ts";

interface Drawing {
  /** Path in a square of 100 by 100. */
  readonly path: string;
  /** Only ever drawn with a pen. */
  readonly isOpen?: boolean;
}

const drawings: Readonly<Record<ShapeClass, Drawing>> = {
  arrow: { path: "M9 41 L57 41 L57 21 L93 50 L57 79 L57 59 L9 59 Z" },
  bolt: { path: "M59 5 L21 55 L45 55 L37 95 L79 39 L54 39 L71 5 Z" },
  check: { path: "M11 53 L39 81 L89 21", isOpen: true },
  circle: { path: "M50 11 A39 39 0 1 1 49.9 11 Z" },
  cross: { path: "M19 19 L81 81 M81 19 L19 81", isOpen: true },
  drop: { path: "M50 7 C61 31 79 47 79 66 A29 29 0 0 1 21 66 C21 47 39 31 50 7 Z" },
  heart: {
    path: "M50 87 C11 57 7 35 19 21 C31 9 45 15 50 31 C55 15 69 9 81 21 C93 35 89 57 50 87 Z",
  },
  hexagon: { path: "M50 9 L86 30 L86 70 L50 91 L14 70 L14 30 Z" },
  house: { path: "M50 9 L93 46 L81 46 L81 89 L19 89 L19 46 L7 46 Z M43 89 L43 63 L59 63 L59 89 Z" },
  moon: { path: "M66 11 A41 41 0 1 0 66 89 A33 33 0 1 1 66 11 Z" },
  plus: { path: "M50 13 L50 87 M13 50 L87 50", isOpen: true },
  smiley: {
    path: "M50 9 A41 41 0 1 1 49.9 9 Z M34 35 A6 6 0 1 1 33.9 35 Z M66 35 A6 6 0 1 1 65.9 35 Z M29 60 Q50 83 71 60 Q50 72 29 60 Z",
  },
  spiral: {
    path: "M50 50 C54 46 60 52 56 58 C50 66 38 60 38 50 C38 36 54 30 66 38 C80 48 76 72 58 78 C36 84 18 66 22 44 C26 22 52 10 74 20",
    isOpen: true,
  },
  square: { path: "M15 15 H85 V85 H15 Z" },
  star: { path: "M50 6 L61 38 L95 38 L68 59 L78 92 L50 72 L22 92 L32 59 L5 38 L39 38 Z" },
  triangle: { path: "M50 11 L93 85 L7 85 Z" },
};

type Rgb = readonly [number, number, number];

const rgb = ([red, green, blue]: Rgb) => `rgb(${red},${green},${blue})`;
const luminance = ([red, green, blue]: Rgb) => 0.299 * red + 0.587 * green + 0.114 * blue;

function colour(random: Random, low: number, high: number): Rgb {
  const channel = () => Math.round(random.between(low, high));
  return [channel(), channel(), channel()];
}

function svg(shape: ShapeClass, random: Random): string {
  const { path, isOpen = false } = drawings[shape];
  const [width, height] = [480, random.chance(0.5) ? 360 : 480];
  const isOnPaper = random.chance(0.25);
  const paper = isOnPaper ? colour(random, 205, 250) : colour(random, 0, 255);
  let ink: Rgb;
  do {
    ink = isOnPaper ? colour(random, 0, 90) : colour(random, 0, 255);
  } while (Math.abs(luminance(ink) - luminance(paper)) < 60);
  const isOutline = isOpen || isOnPaper || random.chance(0.3);
  const pen = isOutline ? random.between(3.5, isOpen ? 12 : 7) : 0;
  const place = [
    `translate(${width / 2 + random.between(-0.12, 0.12) * width} ${height / 2 + random.between(-0.1, 0.1) * height})`,
    `rotate(${random.between(-15, 15)})`,
    `skewX(${random.between(-8, 8)})`,
    `scale(${(random.between(0.5, 0.88) * Math.min(width, height)) / 100})`,
    "translate(-50 -50)",
  ].join(" ");
  const grain = random.chance(0.5) ? random.between(0.05, 0.35) : 0;
  const seed = random.below(9_999);
  const frequency = random.between(0.01, 0.09);
  const light = [random.between(0, 0.3), random.between(0, 0.4)];
  const style = isOutline
    ? `fill="none" stroke="${rgb(ink)}" stroke-width="${pen}"`
    : `fill="${rgb(ink)}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
    <defs>
      <filter id="grain"><feTurbulence type="fractalNoise" baseFrequency="${frequency}" numOctaves="4" seed="${seed}"/></filter>
      <linearGradient id="light" x1="${random.next()}" y1="0" x2="${random.next()}" y2="1">
        <stop offset="0" stop-color="#fff" stop-opacity="${light[0]}"/>
        <stop offset="1" stop-color="#000" stop-opacity="${light[1]}"/>
      </linearGradient>
    </defs>
    <rect width="100%" height="100%" fill="${rgb(paper)}"/>
    <rect width="100%" height="100%" filter="url(#grain)" opacity="${grain}"/>
    <path transform="${place}" d="${path}" fill-rule="evenodd" stroke-linecap="round" stroke-linejoin="round" ${style}/>
    <rect width="100%" height="100%" fill="url(#light)"/>
  </svg>`;
}

const perClass = Number(process.argv[2] ?? 25);
const random = seededRandom(2_024);
for (const [index, shape] of shapeClasses.entries()) {
  for (let count = 0; count < perClass; count += 1) {
    const blur = random.chance(0.4) ? random.between(0.4, 2.2) : undefined;
    const quality = Math.round(random.between(45, 92));
    const drawn = sharp(Buffer.from(svg(shape, random))).removeAlpha();
    const jpeg = await (blur === undefined ? drawn : drawn.blur(blur)).jpeg({ quality }).toBuffer();
    const head = Buffer.alloc(5);
    head.writeUInt8(index);
    head.writeUInt32BE(jpeg.length, 1);
    process.stdout.write(Buffer.concat([head, jpeg]));
  }
}
