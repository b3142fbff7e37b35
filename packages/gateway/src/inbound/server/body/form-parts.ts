import { isUtf8 } from "node:buffer";
import { InvalidRequestError, TooLargeError, type WorkBudget } from "@tensorgate/core";

/** One part of a form. */
export interface FormPart {
  /** Name of its field; empty if it has none. */
  readonly name: string;
  readonly fileName: string | undefined;
  /** In lower case; undefined if the part has none. */
  readonly mediaType: string | undefined;
  /** A view of the form's own bytes. */
  readonly bytes: Uint8Array;
}

/** Longest headers of one part, in bytes. */
const maxHeaderBytes = 8_192;

/** Longest boundary, in characters. @see RFC 2046, section 5.1.1 */
const maxBoundaryLength = 70;

const cr = 0x0d;
const lf = 0x0a;
const dash = 0x2d;

/**
 * Splits a form into its parts, one at a time: parts that are not read cost nothing. Nothing is copied.
 *
 * Accepts what standard libraries send and the parsers of runtimes reject: text before the first and after the last
 * boundary, blanks after a boundary, values without quotes, lines that end with LF alone.
 * Libraries that were tried go on working after their limit of parts, and silently leave out what they cannot read.
 *
 * @param budget - charged an element for each part, each header, and each line that begins like a boundary and is none
 * @throws InvalidRequestError if it is not a form, cut short, or has forms in it
 * @throws TooLargeError where the budget ends, or the headers of a part are longer than 8 KiB
 * @see RFC 7578; RFC 2046, section 5.1
 */
export function* formParts(
  form: Uint8Array,
  contentType: string,
  budget: WorkBudget,
): Generator<FormPart, void, void> {
  const body = Buffer.from(form.buffer, form.byteOffset, form.byteLength);
  const delimiter = Buffer.from(`\n--${boundaryOf(contentType)}`, "latin1");
  let last = firstDelimiter(body, delimiter, budget);
  const isCrLf = body[last.end - 2] === cr;
  while (!last.isLast) {
    budget.spend();
    const { headers, start } = headersAt(body, last.end, budget);
    // The line break before a boundary is the boundary's; a part without content may share it with its headers.
    const next = nextDelimiter(body, delimiter, start - 1, budget);
    const end = isCrLf && body[next.start - 1] === cr ? next.start - 1 : next.start;
    yield partOf(headers, body.subarray(start, Math.max(start, end)));
    last = next;
  }
}

interface DelimiterLine {
  /** Where its LF begins. */
  readonly start: number;
  /** Where what follows begins. */
  readonly end: number;
  readonly isLast: boolean;
}

function boundaryOf(contentType: string): string {
  const boundary = parseHeaderParameters(contentType).parameters.get("boundary");
  if (boundary === undefined || boundary === "" || boundary.length > maxBoundaryLength) {
    throw malformed(`its boundary must have 1 to ${maxBoundaryLength} characters`);
  }
  return boundary;
}

/** Finds the first boundary, which the body or one of its lines begins with. */
function firstDelimiter(body: Buffer, delimiter: Buffer, budget: WorkBudget): DelimiterLine {
  const length = delimiter.length - 1;
  const isFirst = matchLength(body, delimiter.subarray(1), 0) === length;
  return (isFirst && lineAfter(body, length)) || nextDelimiter(body, delimiter, 0, budget);
}

function nextDelimiter(
  body: Buffer,
  delimiter: Buffer,
  from: number,
  budget: WorkBudget,
): DelimiterLine {
  for (let at = from; ; at += 1) {
    at = indexOf(body, delimiter, at, budget);
    if (at === -1)
      throw malformed("it is truncated, or its boundary differs from the declared one");
    const line = lineAfter(body, at + delimiter.length);
    if (line) return { ...line, start: at };
    budget.spend();
  }
}

/** Most blanks between a boundary and the end of its line. */
const maxPadding = 1_024;

/** @returns undefined if the line continues, so that it is another boundary or none */
function lineAfter(body: Buffer, afterBoundary: number): DelimiterLine | undefined {
  let at = afterBoundary;
  const isLast = body[at] === dash && body[at + 1] === dash;
  if (isLast) return { start: 0, end: at + 2, isLast };
  const end = at + maxPadding;
  while (at < end && (body[at] === 0x20 || body[at] === 0x09)) at += 1;
  const length = lineBreakLength(body, at);
  return length > 0 ? { start: 0, end: at + length, isLast } : undefined;
}

/** @returns 0 if there is none */
function lineBreakLength(body: Buffer, at: number): number {
  if (body[at] === lf) return 1;
  return body[at] === cr && body[at + 1] === lf ? 2 : 0;
}

/** What every delimiter begins with: LF and two dashes. */
const prefixLength = 3;

/**
 * Finds a delimiter in time that is linear, whatever the body: by the last character of the prefix. No other character
 * of a delimiter is an LF, so what matched in part is not read again.
 */
function indexOf(body: Buffer, delimiter: Buffer, from: number, budget: WorkBudget): number {
  const lastStart = body.length - delimiter.length;
  let at = from;
  while (at <= lastStart) {
    const third = body[at + prefixLength - 1];
    if (third !== dash) {
      at += third === lf ? 2 : prefixLength;
      continue;
    }
    const length = matchLength(body, delimiter, at);
    if (length === delimiter.length) return at;
    if (length >= prefixLength) budget.spend();
    // A dash is the last of the prefix or the one before it, which begins with an LF.
    at += length > 0 ? length : body[at + 1] === lf ? 1 : prefixLength;
  }
  return -1;
}

/** A call of the runtime, here for every LF of a body that is full of them, would cost a hundred times as much. */
function matchLength(body: Buffer, delimiter: Buffer, at: number): number {
  let length = 0;
  while (length < delimiter.length && body[at + length] === delimiter[length]) length += 1;
  return length;
}

interface PartHeaders {
  readonly headers: ReadonlyMap<string, string>;
  /** Where the content begins. */
  readonly start: number;
}

function headersAt(body: Buffer, at: number, budget: WorkBudget): PartHeaders {
  const none = lineBreakLength(body, at);
  if (none > 0) return { headers: new Map(), start: at + none };
  const block = body.subarray(at, at + maxHeaderBytes);
  const length = headersLength(block);
  if (length === undefined) {
    if (block.length < maxHeaderBytes) throw malformed("it ends inside the headers of a part");
    throw new TooLargeError(`the headers of a part are longer than ${maxHeaderBytes} bytes`);
  }
  const bytes = block.subarray(0, length);
  const text = bytes.toString(isUtf8(bytes) ? "utf8" : "latin1");
  const headers = new Map<string, string>();
  for (const line of text
    .trimEnd()
    .replaceAll(/\r?\n[ \t]+/g, " ")
    .split("\n")) {
    budget.spend();
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).trim().toLowerCase();
    if (colon > 0 && !headers.has(name)) headers.set(name, line.slice(colon + 1).trim());
  }
  return { headers, start: at + length };
}

/** The length of headers with the empty line after them; undefined if there is none. */
function headersLength(block: Buffer): number | undefined {
  for (let at = block.indexOf(lf); at !== -1; at = block.indexOf(lf, at + 1)) {
    const length = lineBreakLength(block, at + 1);
    if (length > 0) return at + 1 + length;
  }
  return undefined;
}

function partOf(headers: ReadonlyMap<string, string>, bytes: Uint8Array): FormPart {
  const disposition = parseHeaderParameters(headers.get("content-disposition") ?? "");
  const mediaType = headers.get("content-type")?.split(";", 1)[0]?.trim().toLowerCase();
  if (mediaType?.startsWith("multipart/")) throw malformed("nested multipart is not supported");
  return { name: nameOf(disposition), fileName: fileNameOf(disposition), mediaType, bytes };
}

function nameOf({ parameters }: ParameterizedHeader): string {
  return unescaped(parameters.get("name") ?? "");
}

function malformed(detail: string): InvalidRequestError {
  return new InvalidRequestError(
    `the body is not a well-formed multipart/form-data form: ${detail}`,
  );
}

/** A header with parameters, such as `form-data; name="image"; filename*=utf-8''x.jpg`. */
interface ParameterizedHeader {
  /** In lower case. */
  readonly value: string;
  /** By name in lower case; of a name that comes several times, the first. */
  readonly parameters: ReadonlyMap<string, string>;
}

const parameter = /;\s*([^\s=;]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))/g;

/**
 * Reads a header as what is sent, not only what the grammar says: in any order and letter case, with or without quotes
 * and blanks.
 *
 * Of the characters that a backslash quotes only itself and the quote are: browsers and Windows send paths as they are.
 *
 * @see RFC 9110, section 5.6.6; RFC 7578, section 4.2
 */
function parseHeaderParameters(text: string): ParameterizedHeader {
  const parameters = new Map<string, string>();
  for (const [, name = "", quoted, plain = ""] of text.matchAll(parameter)) {
    const key = name.toLowerCase();
    if (parameters.has(key)) continue;
    parameters.set(key, quoted?.replaceAll(/\\(["\\])/g, "$1") ?? plain.trim());
  }
  return { value: text.split(";", 1)[0]?.trim().toLowerCase() ?? "", parameters };
}

/**
 * The file name of a disposition; the extended one, `filename*`, comes before the plain one, and that before one in
 * pieces, `filename*0`.
 *
 * @returns undefined if it has none; an empty one is one
 * @see RFC 6266, section 4.3; RFC 8187; RFC 2231, section 4.1, of which libraries for mail make use
 */
function fileNameOf({ parameters }: ParameterizedHeader): string | undefined {
  const extended = parameters.get("filename*");
  const plain = parameters.get("filename");
  return (
    extendedValue(extended) ??
    (plain === undefined ? plain : unescaped(plain)) ??
    extendedValue(piecesOf("filename", parameters)) ??
    // It is unreadable, and the part is a file all the same.
    extended
  );
}

/** Browsers escape what would end a name by percent signs. @see WHATWG HTML, "multipart/form-data encoding algorithm" */
function unescaped(name: string): string {
  return name.replaceAll(/%(22|0[ad])/gi, (code) => decodeURIComponent(code));
}

/** Puts together a value that came as `name*0`, `name*1` and so on, those in extended form with a star at the end. */
function piecesOf(name: string, parameters: ReadonlyMap<string, string>): string | undefined {
  let whole: string | undefined;
  for (let index = 0; ; index += 1) {
    const extended = parameters.get(`${name}*${index}*`);
    const plain = parameters.get(`${name}*${index}`);
    const piece = extended ?? (plain && encodeURIComponent(plain));
    if (piece === undefined) return whole;
    // The first one names the character set of all.
    whole ??= extended === undefined ? "utf-8''" : "";
    whole += piece;
  }
}

/** Reads the two character sets that readers must know; TextDecoder differs between versions of Node in the second. */
function extendedValue(text: string | undefined): string | undefined {
  const [, charset, value = ""] = /^(utf-8|iso-8859-1)'[^']*'(.*)$/i.exec(text ?? "") ?? [];
  try {
    if (charset?.toLowerCase() === "utf-8") return decodeURIComponent(value);
  } catch {
    return undefined;
  }
  if (charset === undefined) return undefined;
  return value.replaceAll(/%[0-9a-f]{2}/gi, (code) =>
    String.fromCharCode(Number.parseInt(code.slice(1), 16)),
  );
}
