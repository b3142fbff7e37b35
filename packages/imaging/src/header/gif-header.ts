import type { HeaderInfo, HeaderSteps, PictureSize } from "./header-info.ts";

/**
 * Reads the size of a GIF's first frame on its screen. The screen grows to hold the frame.
 *
 * @see GIF89a, sections 18 and 20
 */
export function gifHeader(view: DataView, steps: HeaderSteps): HeaderInfo {
  const screen = sizeAt(view, 6);
  const frameAt = firstFrame(view, steps);
  if (frameAt === undefined) return {};
  const offset = sizeAt(view, frameAt + 1);
  const frame = sizeAt(view, frameAt + 5);
  if (frame.widthPx === 0 || frame.heightPx === 0) return {};
  const reached = {
    widthPx: offset.widthPx + frame.widthPx,
    heightPx: offset.heightPx + frame.heightPx,
  };
  const hasScreen = screen.widthPx > 0 && screen.heightPx > 0;
  const size = hasScreen ? unionOf(screen, reached) : reached;
  const isWhole = [screen, frame].every((each) => isSame(each, size));
  return {
    size,
    ...(!isTrusted(screen) && !isSame(reached, size) && { codedSize: reached }),
    // TensorFlow refuses a frame that leaves a part of its screen uncovered, others show the frame alone.
    isBaseline: isWhole,
  };
}

/** @returns where the descriptor of the first frame is; undefined where other data or the end of the file comes first */
function firstFrame(view: DataView, steps: HeaderSteps): number | undefined {
  const flags = view.getUint8(10);
  const paletteBytes = (flags & 0x80) === 0 ? 0 : 3 << ((flags & 0x07) + 1);
  let at = 13 + paletteBytes;
  while (view.getUint8(at) === extension) {
    steps.countPart();
    const isComment = view.getUint8(at + 1) === comment;
    // As libnsgif does it: the first block of an extension that is no comment may be empty.
    at += isComment ? 2 : 3 + view.getUint8(at + 2);
    for (let length = view.getUint8(at); length > 0; length = view.getUint8(at)) {
      steps.countPart();
      at += 1 + length;
    }
    at += 1;
  }
  return view.getUint8(at) === imageDescriptor ? at : undefined;
}

const extension = 0x21;
const comment = 0xfe;
const imageDescriptor = 0x2c;

function sizeAt(view: DataView, at: number): PictureSize {
  return { widthPx: view.getUint16(at, true), heightPx: view.getUint16(at + 2, true) };
}

/**
 * Whether libnsgif decodes a picture of this screen. It takes any other for the screen of the machine that the file was
 * made on, and decodes as much as the first frame reaches.
 */
function isTrusted({ widthPx, heightPx }: PictureSize): boolean {
  return (
    Math.min(widthPx, heightPx) > 0 &&
    Math.max(widthPx, heightPx) <= 2_048 &&
    !machineScreens.has(`${widthPx}×${heightPx}`)
  );
}

const machineScreens: ReadonlySet<string> = new Set([
  "640×480",
  "640×512",
  "800×600",
  "1024×768",
  "1280×1024",
  "1600×1200",
]);

function unionOf(one: PictureSize, other: PictureSize): PictureSize {
  return {
    widthPx: Math.max(one.widthPx, other.widthPx),
    heightPx: Math.max(one.heightPx, other.heightPx),
  };
}

function isSame(one: PictureSize, other: PictureSize): boolean {
  return one.widthPx === other.widthPx && one.heightPx === other.heightPx;
}
