import type { Random } from "@tensorgate/core";
import type { ShapeClass } from "./shape-classes.ts";

export type Point = readonly [x: number, y: number];

/** A symbol as paths in a square from -1 to 1, y downwards. */
export interface Outline {
  /** Borders of the filled area, by the even-odd rule. */
  readonly closed: readonly (readonly Point[])[];
  /** Strokes of a pen. */
  readonly open: readonly (readonly Point[])[];
}

const turn = Math.PI * 2;

/** Points of `t` in 0..1, both ends included. */
function curve(pointCount: number, at: (t: number) => Point): readonly Point[] {
  return Array.from({ length: pointCount + 1 }, (_, index) => at(index / pointCount));
}

function ring(cornerCount: number, radius: number, startAngle = -Math.PI / 2): readonly Point[] {
  return spokes(cornerCount, startAngle, () => radius);
}

function spokes(
  count: number,
  startAngle: number,
  radiusOf: (index: number) => number,
): readonly Point[] {
  return Array.from({ length: count }, (_, index) => {
    const angle = startAngle + (turn * index) / count;
    return polar(radiusOf(index), angle);
  });
}

function polar(radius: number, angle: number): Point {
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}

function rotated(points: readonly Point[], angle: number): readonly Point[] {
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  return points.map(([x, y]) => [x * cos - y * sin, x * sin + y * cos]);
}

function moved(points: readonly Point[], dx: number, dy: number): readonly Point[] {
  return points.map(([x, y]) => [x + dx, y + dy]);
}

/** A cross of bars `2 × halfWidth` wide. */
function bars(halfWidth: number): readonly Point[] {
  const t = halfWidth;
  const quarter: readonly Point[] = [
    [-t, -0.8],
    [t, -0.8],
    [t, -t],
  ];
  return [0, 1, 2, 3].flatMap((side) => rotated(quarter, (side * Math.PI) / 2));
}

const filled = (...closed: readonly (readonly Point[])[]): Outline => ({ closed, open: [] });
const stroked = (...open: readonly (readonly Point[])[]): Outline => ({ closed: [], open });

/** How to draw each class; `isOutline` says that a pen draws it, so that bars may be single strokes. */
const drawings: Readonly<Record<ShapeClass, (random: Random, isOutline: boolean) => Outline>> = {
  arrow: (random, isOutline) => {
    const angle = (Math.PI / 2) * random.below(4);
    const thickness = random.between(0.1, 0.22);
    const head = random.between(0.4, 0.6);
    const neck = random.between(0, 0.25);
    if (isOutline && random.chance(0.6)) {
      const shaft: readonly Point[] = [
        [-0.8, 0],
        [0.8, 0],
      ];
      const tip: readonly Point[] = [
        [0.8 - head, -head],
        [0.8, 0],
        [0.8 - head, head],
      ];
      return stroked(rotated(shaft, angle), rotated(tip, angle));
    }
    const border: readonly Point[] = [
      [-0.85, -thickness],
      [neck, -thickness],
      [neck, -head],
      [0.85, 0],
      [neck, head],
      [neck, thickness],
      [-0.85, thickness],
    ];
    return filled(rotated(border, angle));
  },

  bolt: (random) => {
    const lean = random.between(-0.06, 0.06);
    return filled([
      [0.15 + lean, -0.9],
      [-0.5, 0.12],
      [-0.08, 0.12],
      [-0.25 + lean, 0.9],
      [0.5, -0.2],
      [0.08, -0.2],
      [0.45, -0.9],
    ]);
  },

  check: (random) =>
    stroked([
      [-0.75, random.between(-0.05, 0.2)],
      [-0.25, 0.6],
      [0.75, -0.6],
    ]),

  circle: (random) => {
    const stretch = random.between(0.9, 1.1);
    return filled(ring(40, 0.78).map(([x, y]) => [x * stretch, y / stretch]));
  },

  cross: (random, isOutline) => {
    if (isOutline && random.chance(0.6)) {
      return stroked(
        [
          [-0.65, -0.65],
          [0.65, 0.65],
        ],
        [
          [-0.65, 0.65],
          [0.65, -0.65],
        ],
      );
    }
    return filled(rotated(bars(random.between(0.14, 0.28)), Math.PI / 4));
  },

  drop: () => {
    const belly = curve(22, (t) => polar(0.56, -0.45 + (Math.PI + 0.9) * t));
    return filled([[0, -0.9], ...moved(belly, 0, 0.3)]);
  },

  heart: () =>
    filled(
      curve(35, (t) => {
        const a = (turn * t * 35) / 36;
        const y = 13 * Math.cos(a) - 5 * Math.cos(2 * a) - 2 * Math.cos(3 * a) - Math.cos(4 * a);
        return [0.8 * Math.sin(a) ** 3, -0.05 * y - 0.1];
      }),
    ),

  hexagon: (random) => filled(ring(6, 0.82, random.chance(0.5) ? 0 : Math.PI / 6)),

  house: (random) => {
    const half = random.between(0.5, 0.62);
    const eaves = random.between(0.02, 0.2);
    const walls: readonly Point[] = [
      [-half - eaves, -0.1],
      [0, -0.8],
      [half + eaves, -0.1],
      [half, -0.1],
      [half, 0.75],
      [-half, 0.75],
      [-half, -0.1],
    ];
    const left = random.between(-0.3, 0.1);
    const door: readonly Point[] = [
      [left, 0.75],
      [left, 0.2],
      [left + 0.26, 0.2],
      [left + 0.26, 0.75],
    ];
    return random.chance(0.75) ? filled(walls, door) : filled(walls);
  },

  moon: (random) => {
    const shift = random.between(0.3, 0.45);
    const outer = curve(24, (t) => polar(0.8, 0.9 + (turn - 1.8) * t));
    const [endX, endY] = outer[0] ?? [0, 0];
    // The inner arc goes through the ends of the outer one, about a centre that is shifted.
    const angle = Math.atan2(endY, endX - shift);
    const radius = Math.hypot(endX - shift, endY);
    const inner = curve(20, (t) => polar(radius, -angle - (turn - 2 * angle) * t));
    return filled(moved([...outer, ...moved(inner, shift, 0)], 0.12, 0));
  },

  plus: (random, isOutline) => {
    if (isOutline && random.chance(0.6)) {
      return stroked(
        [
          [-0.75, 0],
          [0.75, 0],
        ],
        [
          [0, -0.75],
          [0, 0.75],
        ],
      );
    }
    return filled(bars(random.between(0.14, 0.28)));
  },

  smiley: (random, isOutline) => {
    const width = random.between(0.35, 0.5);
    const mouth = curve(12, (t): Point => {
      const angle = 0.35 + (Math.PI - 0.7) * t;
      return [width * Math.cos(angle), 0.05 + 0.42 * Math.sin(angle)];
    });
    if (isOutline) {
      const eye = (x: number): readonly Point[] => [
        [x, -0.3],
        [x, -0.2],
      ];
      return { closed: [ring(36, 0.82)], open: [mouth, eye(-0.28), eye(0.28)] };
    }
    const eye = (x: number) => moved(ring(12, random.between(0.08, 0.13)), x, -0.25);
    const lip = moved(mouth, 0, -random.between(0.1, 0.14)).toReversed();
    return filled(ring(36, 0.82), eye(-0.28), eye(0.28), [...mouth, ...lip]);
  },

  spiral: (random) => {
    const turns = random.between(2, 2.9) * (random.chance(0.5) ? 1 : -1);
    const start = random.between(0, turn);
    return stroked(curve(56, (t) => polar(0.06 + 0.78 * t, start + turn * turns * t)));
  },

  square: (random) => {
    const w = random.between(0.62, 0.75);
    const h = w * random.between(0.88, 1.14);
    return filled([
      [-w, -h],
      [w, -h],
      [w, h],
      [-w, h],
    ]);
  },

  star: (random) => {
    const notch = random.between(0.33, 0.46);
    return filled(spokes(10, -Math.PI / 2, (index) => (index % 2 === 0 ? 0.88 : notch)));
  },

  triangle: (random) => {
    const top = random.between(-0.25, 0.25);
    return filled([
      [top, -0.75],
      [0.8, 0.65],
      [-0.8, 0.65],
    ]);
  },
};

/** One way to draw `shape`, chosen by `random`. */
export function outlineOf(shape: ShapeClass, random: Random, isOutline: boolean): Outline {
  return drawings[shape](random, isOutline);
}
