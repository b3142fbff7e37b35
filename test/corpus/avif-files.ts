/** A picture as AV1 codes it, with what a file says of it. */
export interface CodedItem {
  readonly widthPx: number;
  readonly heightPx: number;
  /** Boxes that describe the coding: `av1C`, `pixi`, `colr`. */
  readonly properties: readonly Buffer[];
  readonly data: Buffer;
}

export interface AvifItem extends CodedItem {
  /** In the order in which they apply. */
  readonly transformations: readonly Buffer[];
}

export interface AvifOptions {
  readonly items: readonly AvifItem[];
  /** Which of the items people see. */
  readonly primaryIndex: number;
  readonly hasWideNumbers: boolean;
  /** What the file is first: a picture, one of several kinds of files with pictures, or an animation. */
  readonly brand?: "avif" | "mif1" | "avis";
  /** Before `meta`. */
  readonly boxes: readonly Buffer[];
}

const uint32 = (...values: readonly number[]) => {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => void bytes.writeInt32BE(value | 0, index * 4));
  return bytes;
};
const uint16 = (value: number) => Buffer.from([value >> 8, value & 0xff]);

export function box(type: string, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  return Buffer.concat([uint32(content.length + 8), Buffer.from(type, "latin1"), content]);
}

const fullBox = (type: string, version: number, flags: number, ...contents: readonly Buffer[]) =>
  box(type, uint32(version * 2 ** 24 + flags), ...contents);

/** Turns by quarters to the left. */
export const irot = (quarters: number): Buffer => box("irot", Buffer.from([quarters]));
/** Exchanges top and bottom (0) or left and right (1). */
export const imir = (axis: 0 | 1): Buffer => box("imir", Buffer.from([axis]));

interface Cut {
  /** Before it is cropped. */
  readonly widthPx: number;
  readonly heightPx: number;
  readonly area: {
    readonly leftPx: number;
    readonly topPx: number;
    readonly widthPx: number;
    readonly heightPx: number;
  };
}

/** Crops: sizes of the part, and where its middle is from the middle of the whole, in halves of a pixel. */
export function clap({ widthPx, heightPx, area }: Cut): Buffer {
  const across = 2 * area.leftPx - (widthPx - area.widthPx);
  const down = 2 * area.topPx - (heightPx - area.heightPx);
  return box("clap", uint32(area.widthPx, 1, area.heightPx, 1, across, 2, down, 2));
}

interface PlacedBox {
  readonly type: string;
  readonly bytes: Buffer;
}

function* boxesIn(bytes: Buffer): Generator<PlacedBox> {
  for (let at = 0; at + 8 <= bytes.length; at += bytes.readUInt32BE(at)) {
    const type = bytes.toString("latin1", at + 4, at + 8);
    yield { type, bytes: bytes.subarray(at, at + bytes.readUInt32BE(at)) };
  }
}

function contentOf(boxes: Iterable<PlacedBox>, type: string, headBytes: number): Buffer {
  const found = [...boxes].find((each) => each.type === type);
  if (!found) throw new Error(`the encoder wrote no ${type}`);
  return found.bytes.subarray(headBytes);
}

/** Takes the coded picture out of a file with one. */
export function codedItem(file: Buffer): CodedItem {
  const meta = contentOf(boxesIn(file), "meta", 12);
  const iprp = contentOf(boxesIn(meta), "iprp", 8);
  const properties = [...boxesIn(contentOf(boxesIn(iprp), "ipco", 8))];
  const ispe = contentOf(properties, "ispe", 12);
  return {
    widthPx: ispe.readUInt32BE(0),
    heightPx: ispe.readUInt32BE(4),
    properties: properties.filter(({ type }) => type !== "ispe").map(({ bytes }) => bytes),
    data: contentOf(boxesIn(file), "mdat", 8),
  };
}

/** Writes a file of several pictures, each with its own transformations. */
export function avifFile(options: AvifOptions): Buffer {
  const { items, boxes, brand = "avif" } = options;
  const start = Buffer.concat([
    box("ftyp", Buffer.from(`${brand}\0\0\0\0avifmif1miaf`, "latin1")),
    ...boxes,
  ]);
  // The places of the data depend on how long `meta` is, which does not depend on them.
  const metaLength = metaBox(options, 0).length;
  const meta = metaBox(options, start.length + metaLength + 8);
  return Buffer.concat([start, meta, box("mdat", ...items.map(({ data }) => data))]);
}

/** What no reader may pass over. @see ISO/IEC 23000-22 (MIAF), 7.3.9 */
const essential: ReadonlySet<string> = new Set(["av1C", "clap", "irot", "imir"]);

function metaBox({ items, primaryIndex, hasWideNumbers }: AvifOptions, dataAt: number): Buffer {
  const number = (index: number) => (hasWideNumbers ? uint32(index + 1) : uint16(index + 1));
  const version = hasWideNumbers ? 1 : 0;
  let at = dataAt;
  const places = items.map(({ data }, index) => {
    const place = Buffer.concat([uint16(index + 1), uint16(0), uint16(1), uint32(at, data.length)]);
    at += data.length;
    return place;
  });
  const entries = items.map((_, index) =>
    fullBox("infe", 2, 0, uint16(index + 1), uint16(0), Buffer.from("av01\0", "latin1")),
  );
  const properties = items.map((item) => [
    fullBox("ispe", 0, 0, uint32(item.widthPx, item.heightPx)),
    ...item.properties,
    ...item.transformations,
  ]);
  let next = 1;
  const associations = properties.map((each, index) => {
    const indexes = each.map((property) => {
      const place = next++;
      const isEssential = essential.has(property.toString("latin1", 4, 8));
      if (hasWideNumbers) return uint16(isEssential ? place | 0x8000 : place);
      return Buffer.from([isEssential ? place | 0x80 : place]);
    });
    return Buffer.concat([number(index), Buffer.from([indexes.length]), ...indexes]);
  });
  return fullBox(
    "meta",
    0,
    0,
    fullBox("hdlr", 0, 0, uint32(0), Buffer.from("pict", "latin1"), Buffer.alloc(13)),
    fullBox("pitm", version, 0, number(primaryIndex)),
    fullBox("iloc", 0, 0, Buffer.from([0x44, 0x00]), uint16(items.length), ...places),
    fullBox("iinf", 0, 0, uint16(items.length), ...entries),
    box(
      "iprp",
      box("ipco", ...properties.flat()),
      fullBox("ipma", version, version, uint32(items.length), ...associations),
    ),
  );
}
