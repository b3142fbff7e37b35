import { hexPiece, type Piece, type Site } from "./body.ts";

/** Content after the bytes of a header. */
const after =
  (hex: string): Site["wrap"] =>
  (content) =>
    Buffer.concat([Buffer.from(hex, "hex"), content]);

/** Bytes that lengths, markers and counts are made of. */
const bytes: readonly Piece[] = ["00", "ff", "01", "80", "0000", "ffff"].map((hex) =>
  hexPiece(hex),
);

const jpeg: Site = {
  name: "JPEG segments",
  wrap: after("ffd8"),
  pieces: [
    ...bytes,
    hexPiece("ffe10002", "empty APP1"),
    hexPiece("ffe1000a457869660000aaaa", "APP1 Exif"),
    hexPiece("fffe0002", "empty COM"),
    hexPiece("ffd0", "RST0"),
    hexPiece("ff01", "TEM"),
    hexPiece("ffdb0002", "empty DQT"),
    hexPiece("ffda0002", "empty SOS"),
    hexPiece("ffd8", "SOI"),
    hexPiece("ffc40002", "empty DHT"),
  ],
};

/** With every flag of its VP8X chunk set, so that there is everything to look for. */
const webp: Site = {
  name: "WebP chunks",
  wrap: (content) => {
    const head = Buffer.from(
      "52494646000000005745425056503858" + "0a000000ff0000000f00000f0000",
      "hex",
    );
    head.writeUInt32LE(content.length + head.length - 8, 4);
    return Buffer.concat([head, content]);
  },
  pieces: [
    ...bytes,
    hexPiece("4a554e4b00000000", "empty JUNK"),
    hexPiece("4a554e4b010000000000", "JUNK of a byte"),
    hexPiece("4558494600000000", "empty EXIF"),
    hexPiece("584d502000000000", "empty XMP"),
    hexPiece("414e4d4600000000", "empty ANMF"),
    hexPiece("4943435000000000", "empty ICCP"),
  ],
};

const webpPlain: Site = {
  ...webp,
  name: "WebP chunks before VP8",
  wrap: after("52494646ffffff7f57454250"),
};

const pngHead = "89504e470d0a1a0a0000000d494844520000001000000010080200000090916836";
const png: Site = {
  name: "PNG chunks",
  wrap: after(pngHead),
  pieces: [
    ...bytes,
    hexPiece("000000007445587400000000", "empty tEXt"),
    hexPiece("000000004944415400000000", "empty IDAT"),
    hexPiece("000000006558496600000000", "empty eXIf"),
    hexPiece("00000000504c544500000000", "empty PLTE"),
    hexPiece("00000001744558740000000000", "tEXt of a byte"),
  ],
};

const gif: Site = {
  name: "GIF blocks",
  wrap: after("47494638396110001000000000"),
  pieces: [
    ...bytes,
    hexPiece("21fe00", "empty comment"),
    hexPiece("21f90400000000", "graphic control"),
    hexPiece("21ff00", "empty application"),
    hexPiece("2c00000000010001000000", "empty image"),
  ],
};

const fileType = "0000001c66747970617669660000000061766966" + "6d69663100000000";

function boxSite(name: string, before: string): Site {
  return {
    name,
    wrap: after(before),
    pieces: [
      ...bytes,
      hexPiece("0000000866726565", "empty free"),
      hexPiece("000000086d657461", "empty meta"),
      hexPiece("0000000869707270", "empty iprp"),
      hexPiece("000000086970636f", "empty ipco"),
      hexPiece("0000000869737065", "empty ispe"),
      hexPiece("0000001469737065000000000000000300000002", "ispe"),
      hexPiece("000000016672656500000000" + "00000010", "free of 64 bits"),
    ],
    nests: ["6d657461", "69707270", "6970636f"].map((type) => ({
      name: `box ${Buffer.from(type, "hex").toString("latin1")}`,
      build: (length) => {
        const boxes = Buffer.alloc(
          Math.max(1, Math.floor(length / 8)) * 8,
          Buffer.from(`00000000${type}`, "hex"),
        );
        for (let at = 0; at < boxes.length; at += 8) boxes.writeUInt32BE(boxes.length - at, at);
        return boxes;
      },
    })),
  };
}

const tiff: Site = {
  name: "TIFF directory",
  wrap: after("49492a0008000000ffff"),
  pieces: [
    ...bytes,
    hexPiece("000103000100000003000000", "width"),
    hexPiece("120103000100000006000000", "orientation"),
    hexPiece("000000000000000000000000", "empty entry"),
  ],
};

/** Everything that scans a picture's header, from a stranger's bytes. */
export const pictureSites: readonly Site[] = [
  jpeg,
  webp,
  webpPlain,
  png,
  gif,
  boxSite("AVIF boxes", fileType),
  boxSite("AVIF boxes in meta", `${fileType}7fffffff6d65746100000000`),
  boxSite(
    "AVIF boxes in ipco",
    `${fileType}7fffffff6d657461000000007fffff00697072707fffff006970636f`,
  ),
  tiff,
  { ...tiff, name: "no picture", wrap: (content) => content },
];
