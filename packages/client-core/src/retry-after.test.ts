import { expect, test } from "vitest";
import { retryAfterMsFrom } from "./retry-after.ts";

const nowMs = Date.UTC(2026, 10, 6, 8, 49, 33, 500);

test.each([
  ["4", 4_000],
  [" 0 ", 0],
  ["Fri, 06 Nov 2026 08:49:37 GMT", 3_500],
  ["Friday, 06-Nov-26 08:49:37 GMT", 3_500],
  ["Fri Nov  6 08:49:37 2026", 3_500],
  ["Sat Nov 14 08:49:33 2026", 8 * 86_400_000 - 500],
  ["Fri, 06 Nov 2026 08:49:33 GMT", 0],
  ["Sunday, 06-Nov-94 08:49:37 GMT", 0],
  ["Friday, 06-Nov-76 08:49:33 GMT", Date.UTC(2076, 10, 6, 8, 49, 33) - nowMs],
])("%j is a wait of %i ms", (text, waitMs) => {
  expect(retryAfterMsFrom(text, nowMs)).toBe(waitMs);
});

test.each([
  null,
  "",
  "soon",
  "-1",
  "1.5",
  "0x10",
  "1e3",
  "Fri, 06 Now 2026 08:49:37 GMT",
  "Fri, 06 Nov 2026 08:61:37 GMT",
  "Fri, 06 Nov 2026 08:49:37 CET",
  "2026-11-06T08:49:37Z",
])("%j is none", (text) => {
  expect(retryAfterMsFrom(text, nowMs)).toBeUndefined();
});

test("a date is read the same in every time zone", () => {
  const zone = process.env["TZ"];
  try {
    process.env["TZ"] = "America/New_York";
    expect(retryAfterMsFrom("Fri Nov  6 08:49:37 2026", nowMs)).toBe(3_500);
  } finally {
    if (zone === undefined) delete process.env["TZ"];
    else process.env["TZ"] = zone;
  }
});
