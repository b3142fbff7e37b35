import v8 from "node:v8";

/**
 * Lets V8 keep the heap of a gateway small, by flags. Those are flags of the process, so that a library leaves them alone.
 * To be called before anything is served.
 *
 * What a call needs is allocated where it is collected cheaply, however many calls last long. If most objects of a place in
 * the code live long for a while, as when a thousand callers arrive together, V8 allocates all later ones of that place in
 * the old generation, for good, and each of them keeps alive what it refers to, the whole call in the end.
 *
 * And the old generation is collected when it is twice as large as what it held after the last time, rather than up to four
 * times: each stream of `node:http2` leaves something in it.
 *
 * @see docs/decisions/0086-objects-of-a-call-stay-young.md
 * @see docs/decisions/0089-what-a-call-leaves-in-the-old-generation.md
 */
export function keepHeapSmall(): void {
  v8.setFlagsFromString("--no-allocation-site-pretenuring");
  v8.setFlagsFromString("--heap-growing-percent=100");
}
