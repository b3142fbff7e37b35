/** What became of one of many inputs. */
export type Outcome<Input, Value> =
  | { readonly input: Input; readonly ok: true; readonly value: Value }
  | { readonly input: Input; readonly ok: false; readonly error: Error };

/**
 * Works through inputs, `concurrency` at a time, and yields what became of each as soon as it is known.
 *
 * No more inputs are taken than are worked on and have been asked for, so that memory does not grow with their number.
 * Leaving the loop ends what is under way through `signal`.
 */
export async function* scoreAll<Input, Value>(
  inputs: Iterable<Input> | AsyncIterable<Input>,
  concurrency: number,
  score: (input: Input, signal: AbortSignal) => Promise<Value>,
): AsyncGenerator<Outcome<Input, Value>, void, undefined> {
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new RangeError(`concurrency must be an integer >= 1, got ${concurrency}`);
  }
  const controller = new AbortController();
  const running = new Set<Promise<Done<Input, Value>>>();
  const iterator = iteratorOf(inputs);
  let hasMore = true;
  try {
    for (;;) {
      while (hasMore && running.size < concurrency) {
        const next = await iterator.next();
        hasMore = !next.done;
        if (next.done) break;
        const input = next.value;
        const done: Promise<Done<Input, Value>> = settled(
          input,
          score(input, controller.signal),
        ).then((outcome) => ({ outcome, of: () => done }));
        running.add(done);
      }
      if (running.size === 0) return;
      const { outcome, of } = await Promise.race(running);
      running.delete(of());
      yield outcome;
    }
  } finally {
    controller.abort();
    await iterator.return?.();
  }
}

interface Done<Input, Value> {
  readonly outcome: Outcome<Input, Value>;
  readonly of: () => Promise<Done<Input, Value>>;
}

async function settled<Input, Value>(
  input: Input,
  value: Promise<Value>,
): Promise<Outcome<Input, Value>> {
  try {
    return { input, ok: true, value: await value };
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    return { input, ok: false, error };
  }
}

function iteratorOf<Input>(
  inputs: Iterable<Input> | AsyncIterable<Input>,
): AsyncIterator<Input> | Iterator<Input> {
  return Symbol.asyncIterator in inputs
    ? inputs[Symbol.asyncIterator]()
    : inputs[Symbol.iterator]();
}
