/** What is wrong with a simulated replica. */
export type Fault =
  /** The process is gone: what it had is lost, and nobody can connect. */
  | { readonly kind: "dead" }
  /** Nothing comes back, and nothing is refused either. */
  | { readonly kind: "silent" }
  /** Everything takes so many times as long. */
  | { readonly kind: "slow"; readonly factor: number }
  /** Every request is answered at once: with a failure. */
  | { readonly kind: "failing" }
  /** Every request is answered at once: there is no room. */
  | { readonly kind: "full" };

/** A replica in virtual time: as many requests at once as it has lanes, the others in the order they came. */
export interface Machine {
  fault: Fault | undefined;
  readonly lanes: number;
  /** Changes whenever what it works on is lost. */
  life: number;
}
