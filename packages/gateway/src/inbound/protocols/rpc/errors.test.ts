import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { reasonOfAbort } from "./errors.ts";

test.each([
  {
    reason: new ConnectError("the operation timed out", Code.DeadlineExceeded),
    told: "deadline-exceeded",
    because: "Connect's own timer was first",
  },
  {
    reason: new ConnectError("aborted", Code.Canceled),
    told: "cancelled",
    because: "the caller hung up",
  },
  { reason: undefined, told: "cancelled", because: "nobody said why" },
])("a call that Connect ends is told as $told: $because", ({ reason, told }) => {
  expect(reasonOfAbort(reason).reason).toBe(told);
});
