import { CancelledError, InvalidRequestError, TooLargeError } from "@tensorgate/core";
import { writeAnswer } from "./answer-writer.ts";
import { isCut } from "./body/body-pieces.ts";
import { createGrowingBuffer, type GrowingBuffer } from "./body/growing-buffer.ts";
import { type Gunzip, isGzip } from "./body/gunzip.ts";
import type { Intake } from "./body/intake.ts";
import type { NodeRequest, NodeResponse } from "./node-http.ts";

/** One HTTP exchange, whatever the version, as the REST protocols see it. */
export interface Exchange {
  readonly method: string;
  /** Without the query; as it came, not decoded. */
  readonly path: string;
  /** @throws InvalidRequestError if it is longer than 4,096 characters */
  readonly query: URLSearchParams;
  header(name: string): string | undefined;
  /**
   * Reads the whole body.
   * @param copyCount - how often it will be in memory when it has been understood; 1 by default
   * @throws TooLargeError as soon as it is known to be longer than `maxBytes`
   * @throws InvalidRequestError if it is not as long as declared, or coded for the transfer otherwise than in chunks
   * @throws UnsupportedMediaError if it is encoded in another way than gzip
   * @throws DeadlineExceededError if it comes too slowly
   * @throws OverloadedError if all requests together hold as much as they may
   * @throws CancelledError if the caller goes away before its end
   */
  body(maxBytes: number, copyCount?: number): Promise<Uint8Array>;
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** What reading a body takes beside the request. */
export interface ReadingParts {
  /** Opens the count of what this request brings; called when its body is asked for. */
  readonly intake: () => Intake;
  readonly gunzip: Gunzip;
}

export function exchangeFrom(request: NodeRequest, { intake, gunzip }: ReadingParts): Exchange {
  const url = request.url ?? "/";
  const queryStart = url.indexOf("?");
  let query: URLSearchParams | undefined;
  return {
    method: request.method ?? "GET",
    path: queryStart === -1 ? url : url.slice(0, queryStart),
    get query() {
      query ??= parseQuery(queryStart === -1 ? "" : url.slice(queryStart + 1));
      return query;
    },
    header: (name) => headerOf(request, name),
    body: async (maxBytes, copyCount = 1) => {
      assertTransferKnown(request);
      const isPacked = isGzip(request.headers["content-encoding"], "content-encoding");
      const declared = Number(request.headers["content-length"] ?? Number.NaN);
      if (declared > maxBytes) throw bodyTooLarge(maxBytes);
      const counted = intake();
      const received = await readBody(request, maxBytes, counted);
      const body = isPacked ? await unpacked(received, maxBytes, counted) : received.bytes();
      counted.atLeast(body.byteLength * copyCount);
      return body;
    },
  };

  async function unpacked(packed: GrowingBuffer, maxBytes: number, counted: Intake) {
    const body = await gunzip(packed.bytes(), maxBytes, counted.reserve);
    counted.gave(packed.capacity);
    return body;
  }
}

/** Longest query, in characters; decoding one costs far more than reading it. */
const maxQueryLength = 4_096;

function parseQuery(text: string): URLSearchParams {
  if (text.length <= maxQueryLength) return new URLSearchParams(text);
  throw new InvalidRequestError(`the query is longer than ${maxQueryLength} characters`, {
    field: "query",
  });
}

/** @throws InvalidRequestError if the body is coded for the transfer otherwise than in chunks. @see RFC 9112, section 6.1 */
function assertTransferKnown({ headers }: NodeRequest): void {
  const coding = headers["transfer-encoding"]?.trim().toLowerCase() ?? "chunked";
  if (coding === "chunked") return;
  throw new InvalidRequestError(`unsupported transfer coding "${coding.slice(0, 40)}"`, {
    field: "transfer-encoding",
    hint: "use chunked, and declare compression in content-encoding",
  });
}

/** A header by its lower-case name; one that came several times is joined by commas. */
export function headerOf({ headers }: NodeRequest, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(", ") : value;
}

/** Puts the body together in memory that follows what has come: what is only declared costs nothing. */
function readBody(request: NodeRequest, maxBytes: number, intake: Intake): Promise<GrowingBuffer> {
  const declared = Number(request.headers["content-length"] ?? Number.NaN);
  const whole = Number.isNaN(declared)
    ? createGrowingBuffer("at-most", maxBytes)
    : createGrowingBuffer("exactly", declared);

  return new Promise((resolve, reject) => {
    let isOver = false;
    const refuse = (error: unknown) => {
      if (isOver) return;
      isOver = true;
      request.off("data", onData);
      request.pause();
      whole.free();
      reject(error);
    };
    const onData = (chunk: Buffer) => {
      const received = whole.byteLength + chunk.length;
      if (received > maxBytes) return refuse(bodyTooLarge(maxBytes));
      if (received > declared) return refuse(notAsDeclared(received, declared));
      try {
        intake.arrived(chunk.length);
        whole.append(chunk, intake.reserve);
      } catch (thrown) {
        refuse(thrown);
      }
    };
    const onGone = () => refuse(new CancelledError("the client closed the request"));
    intake.onFailure(refuse);
    request.on("data", onData);
    // node:http2 ends a cut upload as if it were whole: only the count and `aborted` tell.
    request.once("end", () => {
      intake.complete();
      if (isCut(request)) return onGone();
      if (whole.byteLength < declared) return refuse(notAsDeclared(whole.byteLength, declared));
      isOver = true;
      resolve(whole);
    });
    request.once("error", onGone);
    request.once("close", () => {
      // Every request is closed at its end; an error has a stack, which costs more than all of this.
      if (!request.readableEnded) onGone();
    });
  });
}

function notAsDeclared(byteCount: number, declared: number): InvalidRequestError {
  return new InvalidRequestError(
    `the body has ${byteCount} bytes, but content-length declares ${declared}`,
  );
}

function bodyTooLarge(maxBytes: number): TooLargeError {
  return new TooLargeError(`the body is longer than ${maxBytes} bytes`, {
    hint: "send fewer or smaller pictures",
  });
}

/** Sends `reply`, unless the caller is gone. */
export function sendReply(response: NodeResponse, { status, headers, body }: Reply): void {
  if (response.headersSent || response.destroyed) return;
  const bytes = typeof body === "string" ? Buffer.from(body, "utf8") : body;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.setHeader("content-length", bytes.byteLength);
  response.statusCode = status;
  writeAnswer(response, bytes);
}
