import { ModelNotReadyError, UpstreamFailedError } from "@tensorgate/core";
import { expect, test } from "vitest";
import { type DeviceInfo, rejectionError } from "./rejection-error.ts";

const idle: DeviceInfo = { aliases: ["r-1", "r-2"], isAnyOut: false };
const facts = (devices: DeviceInfo | undefined) => ({ model: "m", devices });

test.each([
  {
    devices: idle,
    hint: "2 devices (r-1, r-2) could hold it; an operator can swap one with tensorgate device swap",
    retryAfterMs: 10_000,
  },
  {
    devices: { aliases: ["r-1"], isAnyOut: true, swap: { elapsedMs: 4_200 } },
    hint: "1 device (r-1) could hold it; a swap started 5 s ago",
    retryAfterMs: 1_000,
  },
  {
    devices: { ...idle, swap: { elapsedMs: 10_000, usualMs: 40_000 } },
    hint: "2 devices (r-1, r-2) could hold it; a swap started 10 s ago, ready in about 30 s",
    retryAfterMs: 30_000,
  },
  {
    devices: { ...idle, swap: { elapsedMs: 50_000, usualMs: 40_000 } },
    hint: "2 devices (r-1, r-2) could hold it; a swap started 50 s ago and takes longer than usual",
    retryAfterMs: 1_000,
  },
  {
    devices: { ...idle, aliases: new Array(9).fill("r-1") },
    hint: "9 devices could hold it; an operator can swap one with tensorgate device swap",
    retryAfterMs: 10_000,
  },
])("a model that no device holds fails with: $hint", ({ devices, ...told }) => {
  expect(rejectionError("model-not-ready", facts(devices))).toMatchObject({
    reason: "model-not-ready",
    message: 'no device holds model "m"',
    ...told,
  });
});

test("a device that was taken out of rotation is not lost, an unreachable one is", () => {
  const out = { ...idle, isAnyOut: true };

  expect(rejectionError("no-replica", facts(out)).reason).toBe("model-not-ready");
  expect(rejectionError("no-replica", facts(idle)).reason).toBe("no-replica");
  expect(rejectionError("no-replica", facts(undefined)).reason).toBe("no-replica");
});

test("a last attempt during a swap fails with the swap; any other with its own error", () => {
  const met = { ...facts(idle), lastError: new ModelNotReadyError("away") };
  const failed = { ...facts(idle), lastError: new UpstreamFailedError("failed") };

  expect(rejectionError("attempt-failed", met).message).toBe('no device holds model "m"');
  expect(rejectionError("attempt-failed", failed)).toBe(failed.lastError);
});
