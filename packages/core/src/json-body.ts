import { assertKeyLength, type WorkBudget } from "./message-reader.ts";
import { InvalidRequestError } from "./scoring-error.ts";

/** Deepest nesting of arrays and objects. */
const maxDepth = 32;

/** Bytes outside of texts that cost as much as one element: long numbers and blanks are scanned, too. */
const bytesPerElement = 32;

const forbiddenKeys: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

const quote = 0x22;
const backslash = 0x5c;

/**
 * Reads JSON that a stranger sent. Its depth and its elements are counted in the bytes before it is parsed.
 *
 * @param budget - charged an element for each value and each key
 * @throws InvalidRequestError if it is not JSON, too deep, or has a key that could reach a prototype
 * @throws TooLargeError where the budget ends, or if a key is longer than 1,024 bytes
 */
export function parseJsonBody(body: Uint8Array, budget: WorkBudget): unknown {
  chargeJson(body, budget);
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

const strictUtf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Charges what parsing this JSON would cost, without building any of it: one element for each value and each key, for
 * each escaped quote in a text, and for every 32 bytes outside of texts. Texts, however long, are skipped. Of what is
 * not JSON, as much is charged as would be read of it.
 *
 * @throws TooLargeError where the budget ends, or if a key is longer than 1,024 bytes
 * @throws InvalidRequestError if it is nested deeper than 32 levels
 */
export function chargeJson(body: Uint8Array, budget: WorkBudget): void {
  let depth = 0;
  let bytesOutside = 0;
  let isInScalar = false;
  let lastTextBytes = 0;
  for (let at = 0; at < body.length; at += 1) {
    const byte = body[at] as number;
    bytesOutside += 1;
    if (bytesOutside % bytesPerElement === 0) budget.spend();
    if (byte === quote) {
      budget.spend();
      const end = endOfText(body, at, budget);
      lastTextBytes = end - at - 1;
      at = end;
      isInScalar = false;
    } else if (byte === 0x5b || byte === 0x7b) {
      budget.spend();
      depth += 1;
      if (depth > maxDepth) {
        throw new InvalidRequestError(`the JSON is nested deeper than ${maxDepth} levels`);
      }
      isInScalar = false;
    } else if (byte === 0x5d || byte === 0x7d) {
      depth -= 1;
      isInScalar = false;
    } else if (byte <= 0x20 || byte === 0x2c || byte === 0x3a) {
      if (byte === 0x3a) assertKeyLength(lastTextBytes);
      isInScalar = false;
    } else if (!isInScalar) {
      // A number, true, false or null begins.
      budget.spend();
      isInScalar = true;
    }
  }
}

/** @returns where the closing quote is, or the end */
function endOfText(body: Uint8Array, start: number, budget: WorkBudget): number {
  for (let at = start + 1; ; at += 1) {
    at = body.indexOf(quote, at);
    if (at === -1) return body.length;
    // Back to the last quote at most, so every byte is looked at twice at most.
    let backslashes = 0;
    while (body[at - 1 - backslashes] === backslash) backslashes += 1;
    // An odd number of them escapes the quote.
    if (backslashes % 2 === 0) return at;
    budget.spend();
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
