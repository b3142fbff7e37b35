import v8 from "node:v8";

/**
 * Lets V8 allocate what a call needs where it is collected cheaply, however many calls last long.
 *
 * If most objects of a place in the code live long for a while, as when a thousand callers arrive together, V8 allocates
 * all later ones of that place in the old generation, for good. Each of them then keeps alive what it refers to, the
 * whole call in the end, until the whole heap is collected. To be called before anything is served. Flags are those of a
 * process, so that a library leaves them alone.
 *
 * @see docs/decisions/0086-objects-of-a-call-stay-young.md
 */
export function keepAllocationsYoung(): void {
  v8.setFlagsFromString("--no-allocation-site-pretenuring");
}
