/** What became of one of many inputs. */
export type Outcome<Input, Value> =
  | { readonly input: Input; readonly ok: true; readonly value: Value }
  | { readonly input: Input; readonly ok: false; readonly error: Error };

/** How many inputs are worked through. */
export interface ScoreAllOptions {
  /** At the same time; an integer >= 1. */
  readonly concurrency: number;
  /** Takes no more inputs once it aborts. What is under way is told as `score` ends it. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Works through inputs, some at a time, and yields what became of each as soon as it is known.
 *
 * No more inputs are taken than are worked on and have been asked for, so that memory does not grow with their number.
 * Leaving the loop ends what is under way through the signal that `score` is given.
 *
 * @throws RangeError if `concurrency` is no such number; whatever `inputs` throws
 */
export async function* scoreAll<Input, Value>(
  inputs: Iterable<Input> | AsyncIterable<Input>,
  { concurrency, signal }: ScoreAllOptions,
  score: (input: Input, signal: AbortSignal) => Promise<Value>,
): AsyncGenerator<Outcome<Input, Value>, void, undefined> {
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new RangeError(`concurrency must be an integer >= 1, got ${concurrency}`);
  }
  const left = new AbortController();
  const leave = () => left.abort(signal?.reason);
  const running = new Set<Promise<Done<Input, Value>>>();
  const iterator = iteratorOf(inputs);
  let taking: Promise<Taken<Input>> | undefined;
  let hasMore = true;
  signal?.addEventListener("abort", leave, { once: true });
  if (signal?.aborted) leave();
  try {
    for (;;) {
      hasMore &&= !left.signal.aborted;
      // An input may be long in coming; what becomes known meanwhile must not wait for it.
      if (hasMore && running.size < concurrency) taking ??= taken(iterator, left.signal);
      const awaited: Promise<Done<Input, Value> | Taken<Input>>[] = [...running];
      if (hasMore && taking !== undefined) awaited.push(taking);
      if (awaited.length === 0) return;
      const first = await Promise.race(awaited);
      if (first === "aborted") continue;
      if ("of" in first) {
        running.delete(first.of());
        yield first.outcome;
        continue;
      }
      taking = undefined;
      hasMore = !first.done;
      if (first.done) continue;
      const input = first.value;
      const done: Promise<Done<Input, Value>> = settled(input, score(input, left.signal)).then(
        (outcome) => ({ outcome, of: () => done }),
      );
      running.add(done);
    }
  } finally {
    signal?.removeEventListener("abort", leave);
    left.abort();
    const returned = Promise.resolve(iterator.return?.());
    // A generator returns only when its next input has come, which may be never.
    if (taking === undefined) await returned;
    else returned.catch(() => {});
  }
}

type Taken<Input> = IteratorResult<Input> | "aborted";

/** The next input; its own promise for each, since one that all waits share would keep every one of them. */
function taken<Input>(
  iterator: AsyncIterator<Input> | Iterator<Input>,
  signal: AbortSignal,
): Promise<Taken<Input>> {
  return new Promise((resolve, reject) => {
    const onAbort = () => resolve("aborted");
    signal.addEventListener("abort", onAbort, { once: true });
    Promise.resolve(iterator.next())
      .then(resolve, reject)
      .finally(() => signal.removeEventListener("abort", onAbort));
  });
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
