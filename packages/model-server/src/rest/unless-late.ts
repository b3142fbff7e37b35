import type { Clock } from "@tensorgate/core";
import { servingErrors } from "@tensorgate/tf-serving";

/**
 * Settles as `work` does.
 *
 * @throws ServingError DEADLINE_EXCEEDED if that takes longer than `timeoutMs`; the work goes on then, and its result is
 *   dropped
 */
export async function unlessLate<Value>(
  work: Promise<Value>,
  { timeoutMs, clock }: { readonly timeoutMs: number; readonly clock: Clock },
): Promise<Value> {
  const late = Promise.withResolvers<never>();
  using _timer = clock.setTimer(timeoutMs, () => late.reject(servingErrors.timedOut()));
  return await Promise.race([work, late.promise]);
}
