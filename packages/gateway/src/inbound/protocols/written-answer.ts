import { setImmediate as nextLoopTurn } from "node:timers/promises";
import type { CallContext } from "@tensorgate/core";
import { joined } from "@tensorgate/tf-serving";
import { tooLongInJson } from "./serving-call.ts";

/** Longest answer in JSON, in bytes: about six million numbers, as of a segmented picture. */
const maxAnswerBytes = 67_108_864;

/**
 * Writes JSON of any length; after each of its pieces, which take about a millisecond, other work gets its turn on the
 * event loop.
 *
 * @throws UpstreamFailedError if it is longer than 64 MiB; the reason of `call.signal` once that aborts
 */
export async function writtenAnswer(
  pieces: Iterable<Uint8Array>,
  { signal }: Pick<CallContext, "signal">,
  maxBytes: number = maxAnswerBytes,
): Promise<Uint8Array> {
  const written: Uint8Array[] = [];
  let byteCount = 0;
  for (const piece of pieces) {
    byteCount += piece.byteLength;
    if (byteCount > maxBytes) throw tooLongInJson(`${maxBytes} bytes`);
    if (written.length > 0) await nextLoopTurn();
    signal.throwIfAborted();
    written.push(piece);
  }
  return joined(written);
}
