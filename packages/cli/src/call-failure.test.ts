import {
  errorByReason,
  ForbiddenError,
  InvalidRequestError,
  type ScoringError,
  UnauthenticatedError,
  UnknownModelError,
} from "@tensorgate/core";
import { expect, test } from "vitest";
import { failureText } from "./call-failure.ts";

/** As the client makes it of a failure. */
function ofCall({ reason, message, hint }: ScoringError): ScoringError {
  const whole = `models.get(shpes): ${message}${hint === undefined ? "" : `. Hint: ${hint}`}`;
  const error = errorByReason(reason, { message: whole, grpcCode: 2, ...(hint && { hint }) });
  return Object.assign(error, { method: "models.get", model: "shpes" });
}

test.each([
  {
    error: ofCall(
      new UnknownModelError('unknown model "shpes"', {
        hint: 'did you mean "shapes"? see /v1/catalog',
      }),
    ),
    text: 'unknown model "shpes"; did you mean "shapes"? see tensorgate models',
  },
  {
    error: ofCall(
      new UnauthenticatedError("missing API key", {
        hint: "send it as authorization: Bearer <key>, or as x-api-key",
      }),
    ),
    text: "missing API key; set --key or TENSORGATE_API_KEY",
  },
  {
    error: ofCall(new UnauthenticatedError("invalid API key")),
    text: "invalid API key; set --key or TENSORGATE_API_KEY",
  },
  {
    error: ofCall(
      new UnauthenticatedError("API keys are not accepted over plaintext", { hint: "use TLS" }),
    ),
    text: "API keys are not accepted over plaintext; use TLS",
  },
  { error: ofCall(new ForbiddenError("no: not here")), text: "no: not here" },
  {
    error: new InvalidRequestError("the picture is empty", { hint: "send one" }),
    text: "the picture is empty; send one",
  },
  { error: new Error("ENOENT: no such file"), text: "ENOENT: no such file" },
])("a command says $text", ({ error, text }) => {
  expect(failureText(error)).toBe(text);
});
