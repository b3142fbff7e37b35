/** The first `maxChars` characters of a text, with an ellipsis where that is not all; never half of a pair. */
export function cutText(text: string, maxChars: number): string {
  return text.length > maxChars ? `${text.slice(0, maxChars).toWellFormed()}…` : text;
}
