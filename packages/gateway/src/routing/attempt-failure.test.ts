import {
  FailedPreconditionError,
  InternalError,
  InvalidRequestError,
  ModelNotReadyError,
  NotSupportedError,
  UnknownModelError,
  UnknownVersionError,
  UpstreamAnsweredError,
  UpstreamFailedError,
} from "@tensorgate/core";
import { expect, test } from "vitest";
import { attemptFailure } from "./attempt-failure.ts";

const answered = (code: number, message: string) => new UpstreamAnsweredError(message, code);
const run =
  "Error while reading resource variable x from Container: localhost.\n\t [[{{node ReadVariableOp}}]]";

test.each([
  { error: new ModelNotReadyError("loading"), failure: "warming" },
  { error: new UpstreamFailedError("broken"), failure: "failed" },
  { error: new UpstreamFailedError("full", { isFull: true }), failure: "full" },
  { error: new UpstreamFailedError("gone", { wasLost: true }), failure: "lost" },
  {
    error: new UpstreamFailedError("refused", { wasLost: true, isUnprocessed: true }),
    failure: "unprocessed",
  },
  { error: new UpstreamFailedError("goaway", { isUnprocessed: true }), failure: "goaway" },
  { error: answered(5, "Servable not found for request: Latest(m)"), failure: "not-served" },
  { error: answered(9, 'Serving signature key "x" not found.'), failure: "not-served" },
  { error: answered(12, ""), failure: "not-served" },
  { error: answered(5, run), failure: "model-broken" },
  { error: answered(9, run), failure: "model-broken" },
  { error: answered(12, "no such kernel [[node Conv2D]]"), failure: "model-broken" },
  { error: answered(3, "Unrecognized servable version label: stable"), failure: "unknown-label" },
  {
    error: answered(
      3,
      "ModelSpec has 'version_label' set, but it is not currently allowed by the server.",
    ),
    failure: "unknown-label",
  },
  { error: answered(3, "input size does not match signature"), failure: undefined },
  { error: answered(11, "out of range"), failure: undefined },
  { error: new UnknownModelError("no such model"), failure: "not-served" },
  { error: new UnknownVersionError("no such version"), failure: "not-served" },
  { error: new FailedPreconditionError("not now"), failure: "not-served" },
  { error: new NotSupportedError("no such call"), failure: "not-served" },
  { error: new InvalidRequestError("no such picture"), failure: undefined },
  { error: new InternalError(new Error("bug")), failure: undefined },
])("$error.name ($error.message) says $failure of a replica", ({ error, failure }) => {
  expect(attemptFailure(error)).toBe(failure);
});
