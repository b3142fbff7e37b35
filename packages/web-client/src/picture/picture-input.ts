import { argumentError, bytesFrom, classNameOf } from "@tensorgate/client-core";
import { InvalidRequestError, ScoringError } from "@tensorgate/core";

/** A picture: encoded, in an element, or as pixels. */
export type PictureInput =
  | Blob
  | ArrayBuffer
  | ArrayBufferView
  | HTMLImageElement
  | HTMLVideoElement
  | HTMLCanvasElement
  | OffscreenCanvas
  | ImageBitmap
  | ImageData
  | VideoFrame;

/** What holds pixels, rather than the bytes of a file. */
export type PixelInput = Exclude<PictureInput, Blob | ArrayBuffer | ArrayBufferView>;

/** Returns an encoded picture as a file; undefined for pixels. */
export function fileFrom(input: PictureInput): Blob | undefined {
  if (is(input, "Blob") || is(input, "File")) return input as Blob;
  const bytes = bytesFrom(input);
  return bytes && new Blob([bytes]);
}

/**
 * Captures the current frame of an element.
 *
 * @throws InvalidRequestError if there is nothing, or the page may not read it
 */
export async function bitmapFrom(input: PixelInput): Promise<ImageBitmap> {
  const { width, height } = await sizeOf(input);
  if (width === 0 || height === 0) {
    throw new InvalidRequestError(`${nameOf(input)} is ${width}×${height} pixels`, {
      hint: "wait until it is loaded",
    });
  }
  try {
    return await createImageBitmap(input as ImageBitmapSource, { colorSpaceConversion: "none" });
  } catch (thrown) {
    throw pixelError(input, thrown);
  }
}

/** Turns what a browser throws when it cannot read pixels into an error with a hint. */
export function pixelError(input: PictureInput, thrown: unknown): ScoringError {
  if (ScoringError.is(thrown)) return thrown;
  const { name = "", message = String(thrown) } = thrown as { name?: string; message?: string };
  if (name === "SecurityError" || name === "DataCloneError") {
    return new InvalidRequestError(
      `${nameOf(input)} is of another origin, so this page may not read it`,
      {
        hint: 'load it with crossorigin="anonymous" from a server that allows that (CORS), or send the file',
        cause: thrown,
      },
    );
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
  const { width, height } = (input ?? {}) as { width?: number; height?: number };
  if (typeof width === "number" && typeof height === "number") return { width, height };
  throw argumentError(
    "picture",
    "a picture",
    input,
    input == null
      ? "was a file chosen?"
      : "give a Blob (of a URL: await (await fetch(url)).blob()), bytes, an image, a canvas, a video or a frame",
  );
}

async function sizeOfImage(image: HTMLImageElement): Promise<{ width: number; height: number }> {
  try {
    await image.decode();
  } catch (thrown) {
    throw new InvalidRequestError("the image cannot be read: it is not loaded", {
      hint: "check its src",
      cause: thrown,
    });
  }
  return { width: image.naturalWidth, height: image.naturalHeight };
}

/** Names a picture in a message. */
function nameOf(input: PictureInput): string {
  return names[classNameOf(input)] ?? "the picture";
}

const names: Readonly<Record<string, string>> = {
  HTMLImageElement: "the image",
  HTMLVideoElement: "the video",
  HTMLCanvasElement: "the canvas",
  OffscreenCanvas: "the canvas",
  ImageBitmap: "the bitmap",
  VideoFrame: "the frame",
};

/** Compares names of classes: a worker has no elements, and another frame has classes with the same names. */
function is(input: unknown, className: string): boolean {
  return classNameOf(input) === className;
}
