import { InvalidRequestError, ScoringError } from "@tensorgate/core";

/** A picture: encoded, in an element, or as pixels. */
export type PictureInput =
  | Blob
  | ArrayBuffer
  | Uint8Array
  | HTMLImageElement
  | HTMLVideoElement
  | HTMLCanvasElement
  | OffscreenCanvas
  | ImageBitmap
  | ImageData
  | VideoFrame;

/** What holds pixels, rather than the bytes of a file. */
export type PixelInput = Exclude<PictureInput, Blob | ArrayBuffer | Uint8Array>;

/**
 * What an element shows now.
 *
 * @throws InvalidRequestError if there is nothing, or the page may not read it
 */
export async function bitmapFrom(input: PixelInput): Promise<ImageBitmap> {
  const { width, height } = await sizeOf(input);
  if (width === 0 || height === 0) {
    throw new InvalidRequestError(`${nameOf(input)} is ${width}×${height} pixels`, {
      hint: "wait until it shows something",
    });
  }
  try {
    return await createImageBitmap(input as ImageBitmapSource, { colorSpaceConversion: "none" });
  } catch (thrown) {
    throw pixelError(input, thrown);
  }
}

/** What a browser throws when pixels cannot be had, in our own words. */
export function pixelError(input: PictureInput, thrown: unknown): ScoringError {
  if (ScoringError.is(thrown)) return thrown;
  const { name = "", message = String(thrown) } = thrown as { name?: string; message?: string };
  if (name === "SecurityError" || name === "DataCloneError") {
    return new InvalidRequestError(`${nameOf(input)} shows what this page may not read`, {
      hint: 'load pictures of other origins with crossorigin="anonymous", from servers that allow it, or send the file',
      cause: thrown,
    });
  }
  return new InvalidRequestError(`${nameOf(input)} cannot be read: ${message}`, { cause: thrown });
}

async function sizeOf(input: PixelInput): Promise<{ width: number; height: number }> {
  if (is(input, "HTMLImageElement")) {
    return sizeOfImage(input as HTMLImageElement);
  }
  if (is(input, "HTMLVideoElement")) {
    const video = input as HTMLVideoElement;
    const hasFrame = video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
    return { width: hasFrame ? video.videoWidth : 0, height: hasFrame ? video.videoHeight : 0 };
  }
  if (is(input, "VideoFrame")) {
    const { displayWidth: width, displayHeight: height } = input as VideoFrame;
    return { width, height };
  }
  const { width, height } = input as { width?: number; height?: number };
  if (typeof width === "number" && typeof height === "number") return { width, height };
  throw new InvalidRequestError("the picture is none of what can be sent", {
    hint: "a Blob or File, its bytes, an image, a video, a canvas, an ImageBitmap, ImageData or a VideoFrame",
  });
}

async function sizeOfImage(image: HTMLImageElement): Promise<{ width: number; height: number }> {
  try {
    await image.decode();
  } catch (thrown) {
    throw new InvalidRequestError("the image cannot be read: it was not loaded", {
      hint: "is its src right?",
      cause: thrown,
    });
  }
  return { width: image.naturalWidth, height: image.naturalHeight };
}

/** For messages. */
function nameOf(input: PictureInput): string {
  const kind = Object.prototype.toString.call(input).slice(8, -1);
  return names[kind] ?? "the picture";
}

const names: Readonly<Record<string, string>> = {
  HTMLImageElement: "the image",
  HTMLVideoElement: "the video",
  HTMLCanvasElement: "the canvas",
  OffscreenCanvas: "the canvas",
  ImageBitmap: "the bitmap",
  VideoFrame: "the frame",
};

/** By its name: a worker knows no elements, and one of another frame is of another class. */
function is(input: object, kind: string): boolean {
  return Object.prototype.toString.call(input) === `[object ${kind}]`;
}
