import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { reasonOfAbort } from "./errors.ts";

test.each([
  {
    reason: new ConnectError("the operation timed out", Code.DeadlineExceeded),
    expected: "deadline-exceeded",
    because: "Connect's own timer was first",
  },
  {
    reason: new ConnectError("aborted", Code.Canceled),
    expected: "cancelled",
    because: "the caller hung up",
  },
  { reason: undefined, expected: "cancelled", because: "there is no reason" },
])("a call that Connect ends fails as $expected: $because", ({ reason, expected }) => {
  expect(reasonOfAbort(reason).reason).toBe(expected);
});
