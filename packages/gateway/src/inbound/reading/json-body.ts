import { InvalidRequestError } from "@tensorgate/core";

/** Deepest nesting of arrays and objects. */
const maxDepth = 32;

/** Bytes that may stand outside of texts: what is between them is structure, and ours has little. */
const maxStructureBytes = 262_144;

const forbiddenKeys: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

const quote = 0x22;
const backslash = 0x5c;

/**
 * Reads JSON that a stranger sent. What it costs is known before it is parsed: its depth and the amount of its
 * structure are counted in the bytes, where texts, however long, are skipped.
 *
 * @throws InvalidRequestError if it is not JSON, too deep, too much, or has a key that could reach a prototype
 */
export function parseJsonBody(body: Uint8Array): unknown {
  assertShallow(body, maxStructureBytes);
  let root: unknown;
  try {
    root = JSON.parse(strictUtf8.decode(body));
  } catch (cause) {
    const detail = cause instanceof Error ? `: ${cause.message.slice(0, 120)}` : "";
    throw new InvalidRequestError(`the body is not valid JSON${detail}`, { cause });
  }
  assertNoForbiddenKey(root);
  return root;
}

/** Decodes the JSON of an RPC for the library to parse. Tensors come as long arrays, so only the depth is bounded. */
export const shallowJsonDecoder: { decode(body: Uint8Array): string } = {
  decode: (body) => {
    assertShallow(body, Number.POSITIVE_INFINITY);
    return strictUtf8.decode(body);
  },
};

const strictUtf8 = new TextDecoder("utf-8", { fatal: true });

function assertShallow(body: Uint8Array, mostStructureBytes: number): void {
  let depth = 0;
  let structureBytes = 0;
  for (let at = 0; at < body.length; at += 1) {
    const byte = body[at];
    if (byte === quote) {
      at = endOfText(body, at);
      continue;
    }
    structureBytes += 1;
    // [ and { open, ] and } close.
    if (byte === 0x5b || byte === 0x7b) depth += 1;
    else if (byte === 0x5d || byte === 0x7d) depth -= 1;
    if (depth > maxDepth) {
      throw new InvalidRequestError(`the JSON is nested deeper than ${maxDepth} levels`);
    }
    if (structureBytes > mostStructureBytes) {
      throw new InvalidRequestError(
        `the JSON has more than ${mostStructureBytes} bytes beside texts`,
      );
    }
  }
}

/** @returns where the closing quote is, or the end */
function endOfText(body: Uint8Array, start: number): number {
  for (let at = start + 1; ; at += 1) {
    at = body.indexOf(quote, at);
    if (at === -1) return body.length;
    let backslashes = 0;
    while (body[at - 1 - backslashes] === backslash) backslashes += 1;
    // An odd number of them escapes the quote.
    if (backslashes % 2 === 0) return at;
  }
}

function assertNoForbiddenKey(root: unknown): void {
  const waiting: unknown[] = [root];
  while (waiting.length > 0) {
    const value = waiting.pop();
    if (typeof value !== "object" || value === null) continue;
    for (const [key, member] of Object.entries(value)) {
      if (!Array.isArray(value) && forbiddenKeys.has(key)) {
        throw new InvalidRequestError(`the key "${key}" is not allowed`, { field: key });
      }
      waiting.push(member);
    }
  }
}
