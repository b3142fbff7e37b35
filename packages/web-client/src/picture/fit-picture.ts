/** Target of making a picture smaller. */
export interface FitTarget {
  /** Minimum size that is sent, in pixels: twice the input size of the model. */
  readonly minWidth: number;
  readonly minHeight: number;
  /** Largest encoded picture that is sent unchanged if its size in pixels allows it, in bytes. */
  readonly keepBytes: number;
  /** Above this the quality is reduced, in bytes. */
  readonly maxBytes: number;
}

export interface Fitted {
  /** The picture to send; undefined if the given one is to be sent unchanged. */
  readonly blob: Blob | undefined;
  /** Size of the upright picture before, in pixels. */
  readonly width: number;
  readonly height: number;
}

/**
 * Makes a picture no larger than the target.
 *
 * A worker runs its source text, so it may use nothing of this module. Colours are not converted, since model servers do
 * not convert them; the Exif orientation is applied.
 *
 * @throws the error of the browser: "InvalidStateError" if it cannot decode the picture
 */
export async function fitPicture(source: Blob | ImageBitmap, target: FitTarget): Promise<Fitted> {
  // Not `instanceof Blob`, which fails for a blob of another frame.
  const isEncoded = "size" in source;
  const bitmap = isEncoded
    ? await createImageBitmap(source, {
        imageOrientation: "from-image",
        colorSpaceConversion: "none",
      })
    : source;
  const { width, height } = bitmap;
  try {
    const scale = Math.min(1, Math.max(target.minWidth / width, target.minHeight / height));
    if (isEncoded && scale === 1 && source.size <= target.keepBytes) {
      return { blob: undefined, width, height };
    }
    const canvas = new OffscreenCanvas(Math.ceil(width * scale), Math.ceil(height * scale));
    const context = canvas.getContext("2d", { alpha: false });
    if (!context) throw new Error("the browser has no 2D canvas");
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    let blob: Blob | undefined;
    if (!isEncoded && scale === 1) {
      const exact = await canvas.convertToBlob({ type: "image/png" });
      if (exact.size <= target.maxBytes) blob = exact;
    }
    for (const quality of [0.9, 0.8, 0.7, 0.6]) {
      if (blob && blob.size <= target.maxBytes) break;
      blob = await canvas.convertToBlob({ type: "image/jpeg", quality });
    }
    const isLarger = isEncoded && blob !== undefined && blob.size >= source.size;
    return { blob: isLarger ? undefined : blob, width, height };
  } finally {
    bitmap.close();
  }
}
