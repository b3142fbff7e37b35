import { expect, expectTypeOf, test } from "vitest";
import {
  InternalError,
  InvalidRequestError,
  ScoringError,
  UnknownModelError,
} from "./scoring-error.ts";

test("what was not thrown by us is internal, and keeps its cause to itself", () => {
  const bug = new TypeError("secret");

  const error = ScoringError.from(bug);

  expect(error).toBeInstanceOf(InternalError);
  expect(error.message).toBe("internal error");
  expect(error.cause).toBe(bug);
});

test("our own errors pass unchanged, and are distinguished from others", () => {
  const error = new InvalidRequestError("no", { field: "topK" });

  expect(ScoringError.from(error)).toBe(error);
  expect([error, new Error("x"), null].map((each) => ScoringError.is(each))).toEqual([
    true,
    false,
    false,
  ]);
});

test("texts that quote what a caller sent are cut", () => {
  const long = "\u{1f600}".repeat(1_000_000);

  const { message, hint, field } = new InvalidRequestError(`x${long}`, { hint: long, field: long });

  for (const text of [message, hint ?? "", field ?? ""]) {
    expect(text.length).toBe(1_025);
    expect(text.isWellFormed()).toBe(true);
  }
});

test("an error in JSON has its message, not its cause", () => {
  const error = new InvalidRequestError("no", { field: "topK", hint: "1", cause: "secret" });

  expect(JSON.parse(JSON.stringify({ error }))).toEqual({
    error: {
      name: "InvalidRequestError",
      reason: "invalid-request",
      message: "no",
      field: "topK",
      hint: "1",
    },
  });
});

test("a narrowed error has the members of a client's call", () => {
  const thrown: unknown = Object.assign(new UnknownModelError("no"), { attempts: 1 });

  if (!ScoringError.is(thrown)) throw thrown;
  expectTypeOf(thrown.requestId).toEqualTypeOf<string | undefined>();
  expectTypeOf(thrown.retryable).toEqualTypeOf<boolean | undefined>();
  expectTypeOf(thrown.status).toEqualTypeOf<number | undefined>();
  if (!(thrown instanceof UnknownModelError)) throw thrown;
  expectTypeOf(thrown.model).toEqualTypeOf<string | undefined>();
  expect(thrown.attempts).toBe(1);
  // Absent rather than undefined where no client made a call.
  expect(Object.keys(new UnknownModelError("no"))).not.toContain("requestId");
});
