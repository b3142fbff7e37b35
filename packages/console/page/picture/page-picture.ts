import type { Answer } from "../gateway.ts";

/** A picture that the page scores. */
export interface PagePicture {
  readonly name: string;
  readonly input: Blob | HTMLCanvasElement;
  /** Where it can be seen; undefined for a drawing, which is seen where it is drawn. */
  readonly url: string | undefined;
  /** Outcome of the last call; undefined before it. */
  outcome?: Outcome;
}

/** An answer, or what went wrong. */
export type Outcome =
  | { readonly ok: true; readonly answer: Answer; readonly elapsedMs: number }
  | { readonly ok: false; readonly error: unknown };

export function pictureOf(file: File): PagePicture {
  return { name: file.name || "pasted.png", input: file, url: URL.createObjectURL(file) };
}

/** Releases what the browser holds for pictures that are no longer shown. */
export function release(pictures: readonly PagePicture[]): void {
  for (const { url } of pictures) if (url) URL.revokeObjectURL(url);
}
