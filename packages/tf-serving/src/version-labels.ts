/**
 * Trailer by which our model server says which version labels a model has, where a call names another one. TensorFlow
 * Serving has no such field, and its text must stay as it is.
 */
export const versionLabelsHeader = "x-tensorgate-version-labels";

/** Longest value of the header, in characters. */
const maxChars = 1_024;

/** Writes labels for the header; of too many the first ones. */
export function versionLabelsText(labels: readonly string[]): string {
  const parts = labels.toSorted().map((label) => encodeURIComponent(label));
  let text = "";
  for (const part of parts) {
    const next = text === "" ? part : `${text},${part}`;
    if (next.length > maxChars) break;
    text = next;
  }
  return text;
}

/** Reads the header. A label that is not encoded as it should be is left out. */
export function versionLabelsFrom(text: string): readonly string[] {
  return text
    .slice(0, maxChars)
    .split(",")
    .flatMap((part) => {
      try {
        return part === "" ? [] : [decodeURIComponent(part)];
      } catch {
        return [];
      }
    });
}
