import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import type { Exchange } from "../server/exchange.ts";

/** A body and what it is. */
export interface HttpBody {
  /** @default 200 */
  readonly status?: number;
  readonly contentType: string;
  readonly body: string | Uint8Array;
}

/** A body as it may be sent, or need not be. */
export interface Representation extends HttpBody {
  /** Beside those that every answer has. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether clients may keep it and ask whether it has changed. */
  readonly isTagged?: true;
}

type Coding = "br" | "gzip";

/** Codings in the order in which they are preferred. */
const codings: readonly Coding[] = ["br", "gzip"];
/** A shorter body without a tag is sent as it is, in bytes: it fits into one packet either way. */
export const minNegotiatedBytes = 1_024;
/** A longer one as well: compressing it takes longer than sending it. */
const maxBytes = 16 * 1_024 * 1_024;
/** Bodies that shrink: texts, but no pictures, which are compressed already. */
const compressible =
  /^(text\/|application\/(json|javascript|problem\+json|manifest\+json)|image\/svg)/;

const compress = { br: promisify(brotliCompress), gzip: promisify(gzip) };

/** What was made of a body that stays the same; such a body is a `Uint8Array`. */
interface Variants {
  tag?: string;
  br?: Promise<Uint8Array>;
  gzip?: Promise<Uint8Array>;
}

const known = new WeakMap<Uint8Array, Variants>();

/**
 * Makes of an answer what the client wants: nothing of what it has already (`if-none-match`), and a compressed text where it
 * takes one.
 *
 * @see RFC 9110, sections 12.5.3 and 13.1.2
 */
export function negotiated<Answer extends Representation>(
  exchange: Pick<Exchange, "header">,
  answer: Answer,
): Answer | Promise<Answer> {
  const { status = 200, body, isTagged } = answer;
  if (status !== 200 || (body.length < minNegotiatedBytes && !isTagged)) return answer;
  const tag = isTagged ? tagOf(body) : undefined;
  const tagged = tag === undefined ? answer : withHeaders(answer, { etag: tag });
  if (tag !== undefined && hasTag(exchange.header("if-none-match"), tag)) {
    return { ...withHeaders(tagged, { vary: "accept-encoding" }), status: 304, body: "" };
  }
  const isLarge = body.length >= minNegotiatedBytes && body.length <= maxBytes;
  if (!isLarge || !compressible.test(answer.contentType)) return tagged;
  const varied = withHeaders(tagged, { vary: "accept-encoding" });
  const coding = preferredCoding(exchange.header("accept-encoding"));
  return coding ? encoded(varied, coding) : varied;
}

async function encoded<Answer extends Representation>(
  answer: Answer,
  coding: Coding,
): Promise<Answer> {
  const { body } = answer;
  const packed = await (typeof body === "string"
    ? compress[coding](body, optionsOf(coding, "fast"))
    : keptVariant(body, coding));
  return { ...withHeaders(answer, { "content-encoding": coding }), body: packed };
}

/** A body that stays is compressed once, and well. */
function keptVariant(body: Uint8Array, coding: Coding): Promise<Uint8Array> {
  const variants = variantsOf(body);
  variants[coding] ??= compress[coding](body, optionsOf(coding, "well"));
  return variants[coding];
}

function optionsOf(coding: Coding, how: "fast" | "well") {
  if (coding === "gzip") return { level: how === "fast" ? 1 : 9 };
  return { params: { [constants.BROTLI_PARAM_QUALITY]: how === "fast" ? 3 : 9 } };
}

/** The same for each coding of a body, and so weak. */
function tagOf(body: string | Uint8Array): string {
  if (typeof body === "string") return digested(body);
  const variants = variantsOf(body);
  variants.tag ??= digested(body);
  return variants.tag;
}

const digested = (body: string | Uint8Array): string =>
  `W/"${createHash("sha256").update(body).digest("base64url").slice(0, 27)}"`;

function variantsOf(body: Uint8Array): Variants {
  let variants = known.get(body);
  if (!variants) {
    variants = {};
    known.set(body, variants);
  }
  return variants;
}

function hasTag(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  const opaque = tag.slice(2);
  return (
    ifNoneMatch.trim() === "*" ||
    ifNoneMatch.split(",").some((each) => each.trim().replace(/^W\//, "") === opaque)
  );
}

/** Returns the best coding that the client takes; undefined for none. */
export function preferredCoding(acceptEncoding: string | undefined): Coding | undefined {
  if (!acceptEncoding) return undefined;
  const weights = new Map<string, number>();
  for (const item of acceptEncoding.toLowerCase().split(",", 16)) {
    const [name = "", ...params] = item.split(";").map((part) => part.trim());
    const weight = params.find((param) => param.startsWith("q="))?.slice(2);
    weights.set(name, weight === undefined ? 1 : Number(weight) || 0);
  }
  const weightOf = (coding: Coding) => weights.get(coding) ?? weights.get("*") ?? 0;
  const [best] = codings.toSorted((a, b) => weightOf(b) - weightOf(a));
  const identity = weights.get("identity") ?? 0;
  return best && weightOf(best) > 0 && weightOf(best) >= identity ? best : undefined;
}

function withHeaders<Answer extends Representation>(
  answer: Answer,
  headers: Readonly<Record<string, string>>,
): Answer {
  return { ...answer, headers: { ...answer.headers, ...headers } };
}
