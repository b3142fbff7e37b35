import { InvalidRequestError } from "@tensorgate/core";
import type { Size } from "../models.ts";
import type { Fit } from "../options.ts";
import type { FitTarget } from "./fit-picture.ts";
import type { Fitter } from "./fitter.ts";
import { bitmapFrom, type PictureInput, type PixelInput, pixelError } from "./picture-input.ts";

/** What is sent of a picture. */
export interface Upload {
  readonly blob: Blob;
  readonly contentType: string;
  readonly savedBytes: number;
  /** The picture as it was given, upright, in pixels; undefined where that is what is sent. */
  readonly source?: Size;
}

export interface UploadParts {
  readonly fit: Fit;
  readonly fitter: Fitter;
  /** What the model brings pictures to; asked only when a picture may be too large for it. */
  readonly modelSize: () => Promise<Size>;
}

/** An encoded picture that is smaller is sent as it is, in bytes: nothing would be gained. */
const alwaysKeptBytes = 100_000;

/** One that is larger is encoded anew, in bytes, if that makes it smaller. */
const keptBytes = 1_000_000;

/** What is aimed at, in bytes. */
const targetBytes = 95_000;

const everything: FitTarget = {
  minWidth: Number.MAX_SAFE_INTEGER,
  minHeight: Number.MAX_SAFE_INTEGER,
  keepBytes: Number.MAX_SAFE_INTEGER,
  maxBytes: Number.MAX_SAFE_INTEGER,
};

/** @throws InvalidRequestError if there is nothing to send, or the page may not read it */
export async function uploadFrom(input: PictureInput, parts: UploadParts): Promise<Upload> {
  const blob = blobFrom(input);
  return blob ? fittedFile(blob, parts) : fittedPixels(input as PixelInput, parts);
}

function blobFrom(input: PictureInput): Blob | undefined {
  if (input instanceof Blob) return input;
  const isBytes = input instanceof ArrayBuffer || ArrayBuffer.isView(input);
  return isBytes ? new Blob([input as Uint8Array<ArrayBuffer>]) : undefined;
}

async function fittedFile(file: Blob, { fit, fitter, modelSize }: UploadParts): Promise<Upload> {
  if (file.size === 0) throw new InvalidRequestError("the picture is empty");
  const asItIs = { blob: file, contentType: contentTypeOf(file), savedBytes: 0 };
  if (fit === "off" || file.size <= alwaysKeptBytes) return asItIs;
  try {
    const { blob, width, height } = await fitter.fit(file, targetFor(await modelSize()));
    if (!blob) return asItIs;
    const savedBytes = file.size - blob.size;
    return { blob, contentType: blob.type, savedBytes, source: { width, height } };
  } catch {
    // This browser cannot decode it, but the gateway may; if it is none, the gateway says so.
    return asItIs;
  }
}

async function fittedPixels(input: PixelInput, parts: UploadParts): Promise<Upload> {
  const { fit, fitter, modelSize } = parts;
  // First of all, since what moves shows something else a moment later.
  const bitmap = await bitmapFrom(input);
  try {
    const target = fit === "off" ? everything : targetFor(await modelSize());
    const { blob, width, height } = await fitter.fit(bitmap, target);
    if (!blob) throw new Error("it could not be encoded");
    return { blob, contentType: blob.type, savedBytes: 0, source: { width, height } };
  } catch (thrown) {
    throw pixelError(input, thrown);
  } finally {
    bitmap.close();
  }
}

function targetFor({ width, height }: Size): FitTarget {
  return {
    minWidth: 2 * width,
    minHeight: 2 * height,
    keepBytes: keptBytes,
    maxBytes: targetBytes,
  };
}

/** What is no picture goes as bytes, so that the gateway says that it is none. */
function contentTypeOf({ type }: Blob): string {
  return type.startsWith("image/") ? type : "application/octet-stream";
}
