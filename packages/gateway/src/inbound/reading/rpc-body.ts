import type { Compression } from "@connectrpc/connect/protocol";
import { ScoringError } from "@tensorgate/core";
import { connectErrorFrom, scoringErrorFromConnect } from "../connect-errors.ts";
import { headerOf } from "../exchange.ts";
import type { NodeRequest } from "../node-http.ts";
import { type Gunzip, isGzip } from "./gunzip.ts";
import type { Intake } from "./intake.ts";

/** Headers that say how a message, or the whole of a unary Connect call, is packed. */
const encodingHeaders = ["content-encoding", "connect-content-encoding", "grpc-encoding"] as const;

/** @throws UnsupportedMediaError if anything is packed otherwise than by gzip, or twice */
export function assertEncodingsKnown(request: NodeRequest): void {
  for (const name of encodingHeaders) isGzip(headerOf(request, name), name);
}

/** Whether anything of the request may be larger than the bytes that came. */
export function isPacked(header: Headers): boolean {
  return encodingHeaders.some((name) => header.get(name)?.trim().toLowerCase() === "gzip");
}

/** The library's way of asking for gzip. */
export function gzipOf(gunzip: Gunzip): Compression {
  return {
    name: "gzip",
    compress: () => Promise.reject(new Error("answers are not packed")),
    decompress: async (packed, maxBytes) => {
      if (packed.byteLength === 0) return new Uint8Array(0);
      try {
        return (await gunzip(packed, maxBytes, () => {})) as Uint8Array<ArrayBuffer>;
      } catch (thrown) {
        throw connectErrorFrom(ScoringError.from(thrown), "");
      }
    },
  };
}

/** The pieces of a body as they come, counted; ends with our error when there are too many or they come too slowly. */
export async function* countedBody(
  body: AsyncIterable<Uint8Array>,
  intake: Intake,
  requestId: string,
): AsyncGenerator<Uint8Array> {
  const failed = Promise.withResolvers<never>();
  // Nobody may be waiting when it fails.
  failed.promise.catch(() => {});
  intake.onFailure(failed.reject);
  const pieces = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await Promise.race([pieces.next(), failed.promise]);
      if (done) break;
      intake.took(value.byteLength);
      yield value;
    }
    intake.complete();
  } catch (thrown) {
    throw connectErrorFrom(scoringErrorFromConnect(thrown), requestId);
  }
}

export function isAsyncIterable(body: unknown): body is AsyncIterable<Uint8Array> {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}

/** Bytes that a message holds in memory: those of its byte fields and texts. */
export function bytesOf(value: unknown): number {
  if (value instanceof Uint8Array) return value.byteLength;
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 0;
  return Object.values(value).reduce<number>((sum, each) => sum + bytesOf(each), 0);
}
