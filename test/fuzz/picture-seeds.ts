import { avifFile, clap, imir, irot } from "../corpus/avif-files.ts";

/** The first bytes of pictures of every format. */
export function pictureSeeds(): readonly Buffer[] {
  const boxes = "0000001c66747970617669660000000061766966";
  const exif = "4d4d002a000000080001011200030000000100060000";
  const scan = "ffda0008010100003f00";
  const tiff = `49492a00080000000300${"000103000100000003000000"}${"010103000100000002000000"}${"120103000100000006000000"}`;
  return [
    Buffer.from(`89504e470d0a1a0a0000000d49484452${"00000010".repeat(2)}0802000000`, "hex"),
    // A GIF with a comment, and a frame at an offset on its screen.
    Buffer.from("4749463839611000100000000021fe0161002c0400040008000800000800", "hex"),
    Buffer.from("524946462400000057454250565038580a000000100000000f00000f0000", "hex"),
    Buffer.from("52494646240000005745425056503820180000003001009d012a10001000", "hex"),
    Buffer.from(`${boxes}6d696631000000f96d657461000000000000002168646c72`, "hex"),
    Buffer.from("424d460000000000000036000000280000001000000010000000", "hex"),
    // With an orientation of 6: a JPEG, a PNG and a WebP; then a TIFF.
    Buffer.from(`ffd8ffe1001e457869660000${exif}ffc0000b080002000301011100${scan}`, "hex"),
    // The same with bytes between segments, and one of four inks with Adobe's marker.
    Buffer.from(
      `ffd80000ffffffe1001e457869660000${exif}ff00ffc20014080002000304011100021100031100041100ffee000e41646f6265006400000000000000${scan}`,
      "hex",
    ),
    Buffer.from(
      `89504e470d0a1a0a0000000d4948445200000003000000020802000000000000000000001665584966${exif}`,
      "hex",
    ),
    Buffer.from(
      `524946460000002e57454250565038580a00000008000000020000010000455849461a000000${exif}`,
      "hex",
    ),
    Buffer.from(tiff, "hex"),
    // An AVIF whose primary picture is cropped, turned and mirrored.
    avifFile({
      items: [
        {
          widthPx: 3,
          heightPx: 2,
          properties: [],
          transformations: [
            clap({
              widthPx: 3,
              heightPx: 2,
              area: { leftPx: 1, topPx: 0, widthPx: 1, heightPx: 2 },
            }),
            irot(1),
            imir(0),
          ],
          data: Buffer.alloc(4),
        },
      ],
      primaryIndex: 0,
      hasWideNumbers: true,
      boxes: [],
    }),
    Buffer.from(
      `${boxes}6d6966316d696166${"000000306d65746100000000"}${"0000002469707270"}${"0000001c6970636f"}${"0000001469737065"}000000000000000300000002`,
      "hex",
    ),
  ];
}
