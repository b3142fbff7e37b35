/**
 * Wraps a callback of the host, so that an exception or a rejection of it does not fail its caller.
 *
 * @param onThrow - called with what it threw or rejected with
 */
export function guardedCallback<Args extends readonly unknown[]>(
  callback: ((...args: Args) => unknown) | undefined,
  onThrow: (thrown: unknown) => void = () => {},
): (...args: Args) => void {
  if (!callback) return () => {};
  return (...args) => {
    try {
      const result = callback(...args);
      if (result !== undefined) Promise.resolve(result).catch(onThrow);
    } catch (thrown) {
      onThrow(thrown);
    }
  };
}
