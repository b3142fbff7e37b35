/** What can be wrong with JSON, in the words of the original's parser. */
const texts = {
  "document-empty": "The document is empty.",
  "value-invalid": "Invalid value.",
  "name-missing": "Missing a name for object member.",
  "colon-missing": "Missing a colon after a name of object member.",
  "object-not-continued": "Missing a comma or '}' after an object member.",
  "array-not-continued": "Missing a comma or ']' after an array element.",
  "hex-invalid": "Incorrect hex digit after \\u escape in string.",
  "surrogate-invalid": "The surrogate pair in string is invalid.",
  "escape-invalid": "Invalid escape character in string.",
  "quote-missing": "Missing a closing quotation mark in string.",
  "number-too-big": "Number too big to be stored in double.",
  "fraction-missing": "Miss fraction part in number.",
  "exponent-missing": "Miss exponent in number.",
} as const;

export type JsonFault = keyof typeof texts;

/** Text that is not JSON. */
export class JsonParseError extends Error {
  override readonly name = "JsonParseError";

  /** @param offset - where, in bytes; undefined for no text at all */
  constructor(fault: JsonFault, offset?: number) {
    const where = offset === undefined ? "" : ` at offset: ${offset}`;
    const what = offset === undefined ? texts[fault].replace(/\.$/, "") : texts[fault];
    super(`JSON Parse error: ${what}${where}`);
  }
}
