import type { Dialect, DialectNames } from "./tensor-names.ts";

/**
 * What the model of a call stands for, resolved once when the call begins and carried by its request. No later stage
 * looks a model up by its name, so a reload in between changes neither the names nor the meaning of what comes back.
 */
export interface ResolvedModel {
  readonly name: string;
  /** Identifies what the configuration says of the model and its pools: it differs if anything of that differs. */
  readonly revision: string;
  readonly wireNames: Readonly<Record<Dialect, DialectNames>>;
  /** Our name of the input that takes encoded pictures by the configuration, whatever replicas report of it. */
  readonly encodedInput?: string | undefined;
  /** Signature of requests that name none; undefined for that of the replica. */
  readonly signatureName?: string | undefined;
  /** Regions that it may be served in; undefined for all. */
  readonly residency: readonly string[] | undefined;
  /** Whether a request may be done twice, and so be retried after a replica may have seen it. */
  readonly isIdempotent: boolean;
  /** Whether a slow call may be sent to a second replica. */
  readonly mayHedge: boolean;
  /** Whether its answers may be cached. */
  readonly isCached: boolean;
}
