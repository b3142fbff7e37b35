import { expect, test } from "vitest";
import { InternalError, InvalidRequestError, ScoringError } from "./scoring-error.ts";

test("what was not thrown by us is internal, and keeps its cause to itself", () => {
  const bug = new TypeError("secret");

  const error = ScoringError.from(bug);

  expect(error).toBeInstanceOf(InternalError);
  expect(error.message).toBe("internal error");
  expect(error.cause).toBe(bug);
});

test("our own errors pass unchanged, and are told from others", () => {
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
