import { manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { createRoundTrip } from "./connection.ts";

test("a ping counts until two calls were answered, which may have come from further away", () => {
  const measured = createRoundTrip(manualClock());
  expect(measured.ms).toBeUndefined();

  measured.pinged(1);
  expect(measured.ms).toBe(1);
  measured.answered(120);
  expect(measured.ms).toBe(1);
  measured.answered(90);
  expect(measured.ms).toBe(90);
  measured.pinged(2);

  expect(measured.ms).toBe(90);
});

test("the shortest of late counts, and is forgotten when it is 30 to 60 seconds old", () => {
  const clock = manualClock();
  const measured = createRoundTrip(clock);
  measured.answered(10);
  measured.answered(40);
  clock.advance(29_000);
  measured.answered(30);
  expect(measured.ms).toBe(10);

  clock.advance(1_000);
  measured.answered(30);
  expect(measured.ms).toBe(10);
  clock.advance(30_000);
  measured.answered(35);

  expect(measured.ms).toBe(30);
});

test("what was measured last holds for as long as nothing else is measured", () => {
  const clock = manualClock();
  const measured = createRoundTrip(clock);
  measured.answered(10);

  clock.advance(600_000);
  expect(measured.ms).toBe(10);
  measured.answered(50);

  expect(measured.ms).toBe(50);
});
