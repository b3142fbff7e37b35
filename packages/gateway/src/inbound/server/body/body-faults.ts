import { DeadlineExceededError, InvalidRequestError, TooLargeError } from "@tensorgate/core";

export function tooSlow(bytesPerSecond: number): DeadlineExceededError {
  return new DeadlineExceededError(
    `the body arrived at less than ${bytesPerSecond} bytes per second`,
    {
      hint: "send a smaller picture, or use a faster connection",
    },
  );
}

export function tooLate(timeoutMs: number): DeadlineExceededError {
  return new DeadlineExceededError(`the request did not arrive within ${timeoutMs} ms`, {
    hint: "send a smaller picture",
  });
}

export function fellSilent(timeoutMs: number): DeadlineExceededError {
  return new DeadlineExceededError(`no message arrived on the stream for ${timeoutMs} ms`, {
    hint: "open a stream only when there are pictures to send",
  });
}

export function tooManyPieces(minBytesPerPiece: number): TooLargeError {
  return new TooLargeError("the body arrives in too many small chunks", {
    hint: `send chunks of at least ${minBytesPerPiece} bytes`,
  });
}

export function notAsDeclared(byteCount: number, declared: number): InvalidRequestError {
  return new InvalidRequestError(
    `the body has ${byteCount} bytes, but content-length declares ${declared}`,
  );
}

export function bodyTooLarge(maxBytes: number): TooLargeError {
  return new TooLargeError(`the body is longer than ${maxBytes} bytes`, {
    hint: "send fewer or smaller pictures",
  });
}
