/** What became of one of many inputs. */
export type Outcome<Input, Value> =
  | { readonly input: Input; readonly ok: true; readonly value: Value }
  | { readonly input: Input; readonly ok: false; readonly error: Error };

/** How many inputs are worked through. */
export interface ScoreAllOptions {
  /** At the same time; an integer >= 1. */
  readonly concurrency: number;
  /** Aborts taking inputs. Calls in flight are reported as `score` ends them. */
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
  const iterator = iteratorOf(inputs);
  const done: Outcome<Input, Value>[] = [];
  let runningCount = 0;
  let hasMore = true;
  let isTaking = false;
  let failure: { readonly thrown: unknown } | undefined;
  // Everything that comes wakes the loop. Promises that race would each keep what won until the last of them settles.
  let wake = (): void => {};

  function take(): void {
    isTaking = true;
    const onTaken = (result: IteratorResult<Input>): void => {
      isTaking = false;
      if (result.done) hasMore = false;
      else if (hasMore) start(result.value);
      wake();
    };
    const onFailure = (thrown: unknown): void => {
      isTaking = false;
      if (hasMore) failure = { thrown };
      wake();
    };
    new Promise<IteratorResult<Input>>((resolve) => {
      resolve(iterator.next());
    }).then(onTaken, onFailure);
  }

  function start(input: Input): void {
    runningCount += 1;
    void outcomeOf(input, () => score(input, left.signal)).then((outcome) => {
      runningCount -= 1;
      done.push(outcome);
      wake();
    });
  }

  function leave(): void {
    hasMore = false;
    left.abort(signal?.reason);
    wake();
  }

  function woken(): Promise<void> {
    return new Promise((resolve) => {
      wake = resolve;
    });
  }

  signal?.addEventListener("abort", leave, { once: true });
  if (signal?.aborted) leave();
  try {
    for (;;) {
      // An input may be long in coming; what becomes known meanwhile must not wait for it.
      if (hasMore && !failure && !isTaking && runningCount < concurrency) take();
      const outcome = done.shift();
      if (outcome) yield outcome;
      else if (failure) throw failure.thrown;
      else if (runningCount === 0 && !hasMore) return;
      else await woken();
    }
  } finally {
    signal?.removeEventListener("abort", leave);
    hasMore = false;
    left.abort();
    const returned = Promise.resolve(iterator.return?.());
    // A generator returns only when its next input has come, which may be never.
    if (isTaking) returned.catch(() => {});
    else await returned;
  }
}

async function outcomeOf<Input, Value>(
  input: Input,
  score: () => Promise<Value>,
): Promise<Outcome<Input, Value>> {
  try {
    return { input, ok: true, value: await score() };
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
