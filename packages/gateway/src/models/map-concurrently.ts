/**
 * Maps `items`, at most `maxConcurrent` at a time, keeping their order.
 *
 * @throws what the first failing `map` threw; no further items are started then
 */
export async function mapConcurrently<Item, Result>(
  items: readonly Item[],
  maxConcurrent: number,
  map: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  const waiting = items.entries();
  let hasFailed = false;

  async function worker(): Promise<void> {
    for (const [index, item] of waiting) {
      if (hasFailed) return;
      try {
        results[index] = await map(item);
      } catch (thrown) {
        hasFailed = true;
        throw thrown;
      }
    }
  }

  const workers = Array.from({ length: Math.min(maxConcurrent, items.length) }, worker);
  await Promise.all(workers);
  return results;
}
