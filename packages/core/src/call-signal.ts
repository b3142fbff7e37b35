/** What ends a call before it is answered. An `AbortSignal` is one. */
export interface CallSignal {
  readonly aborted: boolean;
  /** Why, once it is aborted. */
  readonly reason: unknown;
  /** @throws the reason, once it is aborted */
  throwIfAborted(): void;
  /** Calls `listener` once when it is aborted, never if it was before. */
  addEventListener(type: "abort", listener: () => void, options: { readonly once: true }): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/**
 * Ends a call, or one attempt of it, as an `AbortController` would. Each call needs one for itself and one for each
 * attempt: as event targets they cost a Map, listener objects and lookups at run time, some 2 µs together.
 */
export class CallController implements CallSignal {
  readonly signal: CallSignal;
  aborted: boolean;
  reason: unknown;
  readonly #listeners: (() => void)[];

  constructor() {
    this.signal = this;
    this.aborted = false;
    this.reason = undefined;
    this.#listeners = [];
  }

  /** Calls the listeners; does nothing if it is aborted already. */
  abort(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    // A listener may remove those after it.
    for (let next = this.#listeners.shift(); next; next = this.#listeners.shift()) next();
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  addEventListener(_type: "abort", listener: () => void): void {
    if (!this.aborted) this.#listeners.push(listener);
  }

  removeEventListener(_type: "abort", listener: () => void): void {
    const index = this.#listeners.indexOf(listener);
    if (index >= 0) this.#listeners.splice(index, 1);
  }
}
