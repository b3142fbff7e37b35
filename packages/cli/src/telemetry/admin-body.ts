import type { IncomingMessage } from "node:http";
import { createWorkBudget, parseJsonBody } from "@tensorgate/core";

/** Maximum number of values and keys in a request. */
const maxElements = 8_192;

/**
 * Reads the body of a request to the admin port as JSON.
 *
 * @throws RangeError if it is longer than `maxBytes`; SyntaxError if it is not JSON
 */
export async function readJsonBody(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  const pieces: Buffer[] = [];
  let byteCount = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    byteCount += piece.length;
    if (byteCount > maxBytes) throw new RangeError(`the request is longer than ${maxBytes} bytes`);
    pieces.push(piece);
  }
  try {
    return parseJsonBody(Buffer.concat(pieces), createWorkBudget(maxElements));
  } catch (thrown) {
    throw new SyntaxError(`the request is not valid JSON: ${(thrown as Error).message}`);
  }
}
