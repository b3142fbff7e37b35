/** A frame as WebP codes it: its `VP8 ` or `VP8L` chunk, with `ALPH` before it where it has that. */
export interface CodedFrame {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly chunks: Buffer;
}

export function webpChunk(name: string, content: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(content.length);
  return Buffer.concat([
    Buffer.from(name, "latin1"),
    length,
    content,
    Buffer.alloc(content.length % 2),
  ]);
}

export function webpFile(chunks: readonly Buffer[]): Buffer {
  return webpChunk("RIFF", Buffer.concat([Buffer.from("WEBP", "latin1"), ...chunks]));
}

/** Takes the coded picture out of a file without anything else. */
export function codedFrame(file: Buffer, widthPx: number, heightPx: number): CodedFrame {
  return { widthPx, heightPx, chunks: file.subarray(12) };
}

const uint24 = (value: number) => Buffer.from([value & 0xff, (value >> 8) & 0xff, value >> 16]);

export interface ExtendedWebpOptions {
  readonly canvas: { readonly widthPx: number; readonly heightPx: number };
  readonly exif: Buffer | undefined;
  /** Chunks of other names before the Exif. */
  readonly others: readonly Buffer[];
  readonly frame: CodedFrame;
  /** Where the frame is on its canvas, both even; one that is given makes it an animation. */
  readonly offset?: { readonly leftPx: number; readonly topPx: number };
}

/** Writes a WebP with the header that says more than a size. */
export function extendedWebp(options: ExtendedWebpOptions): Buffer {
  const { canvas, exif, others, frame, offset } = options;
  const flags = (exif ? 0x08 : 0) | (offset ? 0x02 : 0);
  const header = Buffer.concat([
    Buffer.from([flags, 0, 0, 0]),
    uint24(canvas.widthPx - 1),
    uint24(canvas.heightPx - 1),
  ]);
  const animation = offset && [
    webpChunk("ANIM", Buffer.alloc(6)),
    webpChunk(
      "ANMF",
      Buffer.concat([
        uint24(offset.leftPx / 2),
        uint24(offset.topPx / 2),
        uint24(frame.widthPx - 1),
        uint24(frame.heightPx - 1),
        uint24(100),
        Buffer.alloc(1),
        frame.chunks,
      ]),
    ),
  ];
  return webpFile([
    webpChunk("VP8X", header),
    ...(animation ?? [frame.chunks]),
    ...others,
    ...(exif ? [webpChunk("EXIF", exif)] : []),
  ]);
}
