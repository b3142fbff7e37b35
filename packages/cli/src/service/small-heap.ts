import v8 from "node:v8";

/** Longest heap, in bytes, from which on V8 lets it grow to four times of what lives; with a shorter one, to less than twice. */
const largeHeapBytes = 2_147_483_648;

/**
 * Lets V8 keep the heap of a gateway small, by flags. Those are flags of the process, so that a library leaves them alone.
 * To be called before anything is served.
 *
 * What a call needs is allocated where it is collected cheaply, however many calls last long. If most objects of a place in
 * the code live long for a while, as when a thousand callers arrive together, V8 allocates all later ones of that place in
 * the old generation, for good, and each of them keeps alive what it refers to, the whole call in the end.
 *
 * And the old generation grows to twice of what it held after the last collection, where V8 would let it grow further: each
 * stream of `node:http2` leaves something in it.
 *
 * @see docs/decisions/0086-objects-of-a-call-stay-young.md
 * @see docs/decisions/0089-what-a-call-leaves-in-the-old-generation.md
 */
export function keepHeapSmall(): void {
  v8.setFlagsFromString("--no-allocation-site-pretenuring");
  if (v8.getHeapStatistics().heap_size_limit < largeHeapBytes) return;
  v8.setFlagsFromString("--heap-growing-percent=100");
}
