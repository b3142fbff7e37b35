import type { Http2Options } from "./contract.ts";
import { maxFrameBytes } from "./frames.ts";
import { connectionFields, isName } from "./hpack.ts";

/** Literal fields that no table remembers, and of which no proxy may make an index. @see RFC 7541, section 6.2 */
const literalKind = { plain: 0x00, secret: 0x10 } as const;

/** Names of fields whose values are kept out of every table. */
const isSecret = /^(authorization|cookie|.*(key|token|secret).*)$/;

const noNames: ReadonlySet<string> = new Set();

/** Paths whose fields, and names that, are remembered in encoded form. */
const maxKnownPaths = 64;
const maxKnownNames = 256;

/** Encodes the headers of the requests of one connection: those that all requests of a path share only once. */
export class RequestFields {
  readonly #options: Http2Options;
  /** Names of the headers of every request. */
  readonly #commonNames: ReadonlySet<string>;
  readonly #knownPaths = new Map<string, string>();

  constructor(options: Http2Options) {
    this.#options = options;
    this.#commonNames = new Set(Object.keys(options.headers).map((name) => name.toLowerCase()));
  }

  /**
   * @returns the block, a character for each of its bytes: it is written where it is sent from, and nowhere before
   * @throws TypeError if a header cannot be sent, or all of them are too long for a frame
   */
  encode(path: string, headers: Readonly<Record<string, string>>): string {
    const block = this.#ofPath(path) + encodeFields(headers, this.#commonNames);
    if (block.length <= maxFrameBytes) return block;
    throw new TypeError(`the headers have ${block.length} bytes; the limit is ${maxFrameBytes}`);
  }

  #ofPath(path: string): string {
    const known = this.#knownPaths.get(path);
    if (known) return known;
    const { scheme, authority, headers } = this.#options;
    const pseudo = { ":method": "POST", ":scheme": scheme, ":authority": authority, ":path": path };
    const fields = encodePseudo(pseudo) + encodeFields(headers);
    if (this.#knownPaths.size >= maxKnownPaths) this.#knownPaths.clear();
    this.#knownPaths.set(path, fields);
    return fields;
  }
}

const isUnsendable = /[^\t\x20-\x7e\x80-\xff]/;

function encodePseudo(fields: Readonly<Record<string, string>>): string {
  let text = "";
  for (const [name, value] of Object.entries(fields)) {
    if (isUnsendable.test(value)) throw unsendable(name);
    text += String.fromCharCode(literalKind.plain) + lengthText(name) + name;
    text += lengthText(value) + value;
  }
  return text;
}

/**
 * Encodes fields as literals.
 *
 * @param except - names, in lower case, that are left out
 * @throws TypeError if a name or a value cannot be sent
 */
function encodeFields(
  fields: Readonly<Record<string, string>>,
  except: ReadonlySet<string> = noNames,
): string {
  let text = "";
  for (const given in fields) {
    const { name, encoded } = knownNames.get(given) ?? fieldName(given);
    if (except.has(name)) continue;
    const value = fields[given] as string;
    if (isUnsendable.test(value) || (name === "te" && value !== "trailers")) throw unsendable(name);
    text += encoded + lengthText(value) + value;
  }
  return text;
}

interface FieldName {
  /** In lower case. */
  readonly name: string;
  /** The start of its literal. */
  readonly encoded: string;
}

/** Names that were sent before, as they were given. */
const knownNames = new Map<string, FieldName>();

/** @throws TypeError if no field may have this name */
function fieldName(given: string): FieldName {
  const name = given.toLowerCase();
  if (!isName.test(name) || connectionFields.has(name)) throw unsendable(name);
  const kind = isSecret.test(name) ? literalKind.secret : literalKind.plain;
  const known = { name, encoded: String.fromCharCode(kind) + lengthText(name) + name };
  if (knownNames.size >= maxKnownNames) knownNames.clear();
  knownNames.set(given, known);
  return known;
}

function unsendable(name: string): TypeError {
  return new TypeError(`header ${JSON.stringify(name)} cannot be sent: invalid name or value`);
}

/** The length of a text, as HPACK writes it before the text. */
function lengthText({ length }: string): string {
  const most = 0x7f;
  if (length < most) return String.fromCharCode(length);
  let text = String.fromCharCode(most);
  let rest = length - most;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) {
    text += String.fromCharCode((rest % 0x80) | 0x80);
  }
  return text + String.fromCharCode(rest);
}
