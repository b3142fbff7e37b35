/** What a picture is to become. */
export interface FitTarget {
  /** No less than this is sent, in pixels: twice what the model takes. */
  readonly minWidth: number;
  readonly minHeight: number;
  /** An encoded picture is sent as it is if it is no larger than this and needs not be made smaller. */
  readonly keepBytes: number;
  /** More than this is encoded worse, in bytes. */
  readonly maxBytes: number;
}

export interface Fitted {
  /** What to send; undefined where the picture is best sent as it is. */
  readonly blob: Blob | undefined;
  /** The upright picture before, in pixels. */
  readonly width: number;
  readonly height: number;
}

/**
 * Makes a picture no larger than a model has use for.
 *
 * It runs in a worker from its own text, so it may use nothing of this module but its parameters. Colours are not
 * converted, since no model server does that; the orientation of EXIF is applied.
 *
 * @throws what the browser throws: "InvalidStateError" if it cannot decode the picture
 */
export async function fitPicture(source: Blob | ImageBitmap, target: FitTarget): Promise<Fitted> {
  // Not by its class, which a blob of another frame does not have.
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
    if (!context) throw new Error("there is no canvas to draw on");
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
