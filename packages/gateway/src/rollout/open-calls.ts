/** Counts the calls in flight by the version that they were given. */
export interface OpenCalls {
  /** @returns what to call when the call has ended */
  open(model: string, version: string): () => void;
  count(model: string, version: string): number;
}

export function createOpenCalls(): OpenCalls {
  const counts = new Map<string, number>();
  const keyOf = (model: string, version: string) => `${version} ${model}`;

  return {
    open: (model, version) => {
      const key = keyOf(model, version);
      counts.set(key, (counts.get(key) ?? 0) + 1);
      return () => {
        const left = (counts.get(key) ?? 1) - 1;
        if (left > 0) counts.set(key, left);
        else counts.delete(key);
      };
    },
    count: (model, version) => counts.get(keyOf(model, version)) ?? 0,
  };
}
