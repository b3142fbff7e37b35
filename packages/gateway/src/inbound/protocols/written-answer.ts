import { setImmediate as nextLoopTurn } from "node:timers/promises";
import type { CallContext, Tensor } from "@tensorgate/core";
import { joined } from "@tensorgate/tf-serving";
import { tooLongInJson } from "./serving-call.ts";

/**
 * Longest answer in JSON, in bytes: as a multiple of the tensors that it is of, so that a short response is no long answer;
 * a column of 131,072 scores in any case; and about six million numbers, as of a segmented picture.
 */
const maxAnswer = { growth: 4, freeBytes: 6_291_456, bytes: 67_108_864 } as const;

/** Bytes of the elements of tensors. */
export function tensorBytes(tensors: Iterable<Tensor>): number {
  let byteCount = 0;
  for (const tensor of tensors) {
    if (tensor.dtype !== "BYTES") byteCount += tensor.data.byteLength;
    else for (const { byteLength } of tensor.elements) byteCount += byteLength;
  }
  return byteCount;
}

/**
 * Writes JSON of any length; after each of its pieces, which take about a millisecond, other work gets its turn on the
 * event loop.
 *
 * @param sourceBytes - of what it is written from
 * @throws UpstreamFailedError if it is far longer than that, or than 64 MiB; the reason of `call.signal` once that aborts
 */
export async function writtenAnswer(
  pieces: Iterable<Uint8Array>,
  { signal }: Pick<CallContext, "signal">,
  sourceBytes: number,
): Promise<Uint8Array> {
  const { growth, freeBytes, bytes } = maxAnswer;
  const maxBytes = Math.min(bytes, Math.max(freeBytes, growth * sourceBytes));
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
