import { afterEach, expect, test, vi } from "vitest";
import { systemClockAndRandom } from "./system-clock.ts";

afterEach(() => void vi.useRealTimers());

// The timers of the test fire at once beyond 2^31 ms, as those of Node do.
test.each([3e9, 1e12])("a timer of %d ms does not fire at once", (delayMs) => {
  vi.useFakeTimers();
  const wake = vi.fn();
  using _timer = systemClockAndRandom.clock.setTimer(delayMs, wake);

  vi.advanceTimersByTime(2 ** 31);

  expect(wake).not.toHaveBeenCalled();
});
