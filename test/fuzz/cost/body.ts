import { below, pick, type Random } from "../mutate.ts";

/** Bytes that may be repeated; `@@@@@@` in them is replaced by a number that no other repetition has. */
export interface Piece {
  readonly name: string;
  readonly bytes: Buffer;
}

/** A structure that goes deeper instead of on. */
export interface Nest {
  readonly name: string;
  /** About `length` bytes. */
  readonly build: (length: number) => Buffer;
}

/** A place of a format where something can be repeated, and what can be repeated there. */
export interface Site {
  readonly name: string;
  readonly pieces: readonly Piece[];
  readonly nests?: readonly Nest[];
  /** Puts what was repeated in its place. */
  readonly wrap: (content: Buffer) => Buffer;
  /**
   * Bytes of the content for each of the body, where `wrap` makes more of them.
   * @default 1
   */
  readonly share?: number;
  /**
   * Group that its time is taken from.
   * @default that of the target
   */
  readonly group?: string;
}

/** What a body is made of; its length is chosen later. */
export interface Recipe {
  readonly site: Site;
  /** Repeated one after the other; empty where there is a nest. */
  readonly unit: readonly Piece[];
  readonly nest?: Nest;
}

export const recipeName = ({ site, unit, nest }: Recipe): string =>
  `${site.name}: ${nest ? `nested ${nest.name}` : unit.map(({ name }) => name).join(" + ")}`;

export const text = (value: string): Buffer => Buffer.from(value, "latin1");
export const piece = (value: string, name = JSON.stringify(value)): Piece => ({
  name,
  bytes: text(value),
});
export const hexPiece = (hex: string, name = hex): Piece => ({
  name,
  bytes: Buffer.from(hex, "hex"),
});
/** Content between two texts. */
export const between =
  (before: string, after = ""): Site["wrap"] =>
  (content) =>
    Buffer.concat([text(before), content, text(after)]);

/** `open` again and again, then as many of `close`. */
export function nestOf(open: string, close: string, middle = ""): Nest {
  return {
    name: `${JSON.stringify(open)}…${JSON.stringify(close)}`,
    build: (length) => {
      const depth = Math.max(1, Math.floor(length / (open.length + close.length)));
      return Buffer.concat([
        repeated(text(open), depth),
        text(middle),
        repeated(text(close), depth),
      ]);
    },
  };
}

/** A body of about `length` bytes, what is around the repeated part included or not. */
export function buildBody({ site, unit, nest }: Recipe, bodyLength: number): Buffer {
  const length = Math.floor(bodyLength * (site.share ?? 1));
  if (nest) return site.wrap(nest.build(length));
  const bytes = Buffer.concat(unit.map((each) => each.bytes));
  if (bytes.length === 0) return site.wrap(bytes);
  return site.wrap(repeated(bytes, Math.max(1, Math.floor(length / bytes.length))));
}

const slot = "@@@@@@";
const digits = text("0123456789abcdefghijklmnopqrstuvwxyz");

export function repeated(unit: Buffer, count: number): Buffer {
  const whole = Buffer.alloc(count * unit.length, unit);
  for (let at = unit.indexOf(slot); at !== -1; at = unit.indexOf(slot, at + slot.length)) {
    for (let index = 0; index < count; index += 1) number(whole, index * unit.length + at, index);
  }
  return whole;
}

function number(whole: Buffer, at: number, value: number): void {
  let left = value;
  for (let digit = slot.length - 1; digit >= 0; digit -= 1) {
    whole[at + digit] = digits[left % 36] ?? 0;
    left = Math.floor(left / 36);
  }
}

/** A recipe that nobody has tried, as far as chance goes. */
export function freshRecipe(sites: readonly Site[], random: Random): Recipe {
  const site = pick(random, sites);
  const { nests = [] } = site;
  if (nests.length > 0 && random() < 0.1) return { site, unit: [], nest: pick(random, nests) };
  const count = random() < 0.6 ? 1 : 2 + below(random, 2);
  return { site, unit: Array.from({ length: count }, () => pick(random, site.pieces)) };
}

/** Every recipe of a single piece, and every nest. */
export function simpleRecipes(sites: readonly Site[]): readonly Recipe[] {
  return sites.flatMap((site) => [
    ...site.pieces.map((each) => ({ site, unit: [each] })),
    ...(site.nests ?? []).map((nest) => ({ site, unit: [], nest })),
  ]);
}

/** Another recipe that is much like this one. */
export function changedRecipe(recipe: Recipe, sites: readonly Site[], random: Random): Recipe {
  const { site, unit, nest } = recipe;
  if (nest) return freshRecipe([site], random);
  const at = below(random, unit.length);
  switch (below(random, 5)) {
    case 0:
      return { site, unit: unit.toSpliced(at, 0, pick(random, site.pieces)) };
    case 1:
      return unit.length > 1 ? { site, unit: unit.toSpliced(at, 1) } : freshRecipe([site], random);
    case 2:
      return { site: pick(random, sites), unit };
    case 3:
      return { site, unit: unit.toSpliced(at, 1, pick(random, site.pieces)) };
    default:
      return { site, unit: unit.with(at, damaged(unit[at] as Piece, random)) };
  }
}

/** Longest name and content of a piece that grew by mutation, in bytes. */
const maxPieceBytes = 256;

function damaged({ name, bytes }: Piece, random: Random): Piece {
  const at = below(random, bytes.length);
  const byte = pick(random, [0x00, 0x01, 0x0a, 0x20, 0x30, 0x7f, 0x80, 0xff, below(random, 256)]);
  const before = bytes.subarray(0, at);
  const changed =
    random() < 0.5 || bytes.length === 0
      ? Buffer.concat([before, Buffer.of(byte), bytes.subarray(at + 1)])
      : random() < 0.5
        ? Buffer.concat([before, bytes.subarray(at + 1)])
        : Buffer.concat([bytes, bytes.subarray(at)]);
  const kept = changed.length === 0 || changed.length > maxPieceBytes ? bytes : changed;
  return {
    name: name.startsWith("0x") || kept !== bytes ? `0x${kept.toString("hex")}` : name,
    bytes: kept,
  };
}
