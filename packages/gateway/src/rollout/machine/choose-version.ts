/**
 * Chooses a version by weights. A position that falls to the first version stays there while its weight grows: a caller who
 * was moved to a new version is not moved back by the next step.
 *
 * @param weights - together 1
 * @param position - where a call lies in `[0, 1)`
 */
export function chosenVersion(weights: ReadonlyMap<string, number>, position: number): string {
  let below = 0;
  let last = "";
  for (const [version, weight] of weights) {
    below += weight;
    if (position < below) return version;
    if (weight > 0) last = version;
  }
  // The weights of a hundredth each do not sum up to 1.
  return last;
}

/**
 * Returns where the calls of a caller lie in `[0, 1)`: always the same for a model, elsewhere for another one, so that the
 * same callers are not the first ones every time.
 *
 * @see FNV-1a, with the finalizer of MurmurHash3, which spreads similar keys
 */
export function stickyPosition(model: string, key: string): number {
  let hash = 0x811c9dc5;
  const text = `${model}\0${key}`;
  for (let at = 0; at < text.length; at += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
