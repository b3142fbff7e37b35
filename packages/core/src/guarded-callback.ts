/**
 * Wraps a callback of an embedder, so that it can neither fail nor end what calls it: neither by what it throws, nor,
 * where it is asynchronous, by what it rejects with.
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
