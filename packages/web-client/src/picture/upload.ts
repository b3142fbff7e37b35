import { InvalidRequestError } from "@tensorgate/core";
import type { Size } from "../models.ts";
import type { Fit } from "../options.ts";
import type { FitTarget } from "./fit-picture.ts";
import type { Fitter } from "./fitter.ts";
import {
  bitmapFrom,
  fileFrom,
  type PictureInput,
  type PixelInput,
  pixelError,
} from "./picture-input.ts";

/** The encoded picture that is sent. */
export interface Upload {
  readonly blob: Blob;
  readonly contentType: string;
  readonly savedBytes: number;
  /** Size of the upright picture before it was made smaller, in pixels; undefined if it is sent as it is. */
  readonly source?: Size;
}

export interface UploadDeps {
  readonly fit: Fit;
  readonly fitter: Fitter;
  /** Reads the size that the model scales pictures to; called only for a picture that may be larger. */
  readonly modelSize: () => Promise<Size>;
}

/** Largest file that is always sent as it is, in bytes: a smaller one would hardly be faster. */
const alwaysKeptBytes = 100_000;

/** Largest file that is sent as it is unless its picture is larger than the model needs, in bytes. */
const keptBytes = 1_000_000;

/** Largest picture after encoding, in bytes, where the quality allows it. */
const targetBytes = 95_000;

const everything: FitTarget = {
  minWidth: Number.MAX_SAFE_INTEGER,
  minHeight: Number.MAX_SAFE_INTEGER,
  keepBytes: Number.MAX_SAFE_INTEGER,
  maxBytes: Number.MAX_SAFE_INTEGER,
};

/**
 * Encodes a picture for sending, smaller where `fit` allows it.
 *
 * @throws InvalidRequestError if it is empty, or the page may not read it
 */
export async function uploadFrom(input: PictureInput, deps: UploadDeps): Promise<Upload> {
  const file = fileFrom(input);
  return file ? fittedFile(file, deps) : fittedPixels(input as PixelInput, deps);
}

async function fittedFile(file: Blob, { fit, fitter, modelSize }: UploadDeps): Promise<Upload> {
  if (file.size === 0) throw new InvalidRequestError("the picture is empty");
  const asItIs = { blob: file, contentType: contentTypeOf(file), savedBytes: 0 };
  if (fit === "off" || file.size <= alwaysKeptBytes) return asItIs;
  try {
    const { blob, width, height } = await fitter.fit(file, targetFor(await modelSize()));
    if (!blob) return asItIs;
    const savedBytes = file.size - blob.size;
    return { blob, contentType: blob.type, savedBytes, source: { width, height } };
  } catch {
    // The gateway may decode what this browser cannot, and rejects what is not a picture.
    return asItIs;
  }
}

async function fittedPixels(input: PixelInput, deps: UploadDeps): Promise<Upload> {
  const { fit, fitter, modelSize } = deps;
  // First, since a video shows something else a moment later.
  const bitmap = await bitmapFrom(input);
  try {
    const target = fit === "off" ? everything : targetFor(await modelSize());
    const { blob, width, height } = await fitter.fit(bitmap, target);
    if (!blob) throw new Error("the browser could not encode it");
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

/** Sends what is not a picture as bytes, so that the gateway rejects it with a reason. */
function contentTypeOf({ type }: Blob): string {
  return type.startsWith("image/") ? type : "application/octet-stream";
}
