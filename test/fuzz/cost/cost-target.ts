import type { Site } from "./body.ts";
import type { Sent } from "./deliver.ts";

/** One entry point with one content type. */
export interface CostTarget {
  readonly name: string;
  readonly sites: readonly Site[];
  /** Longest body that is tried: the default limit of the entry point, or near it. */
  readonly maxBytes: number;
  readonly send: (body: Buffer, site: Site) => Sent;
  /** An ordinary picture of `length` bytes that comes the same way. */
  readonly ordinary: (length: number, unitLength: number) => Sent;
  /** Targets of one family share what their ordinary pictures cost. */
  readonly family: string;
  /** What reads the bodies: sites of one name are searched as one for all targets of a parser. */
  readonly parser: string;
  /** Groups of targets share the time of a search alike, however many targets they have. */
  readonly group: string;
  /** Whether it is compared with as many messages, rather than with as many bytes. */
  readonly countsMessages?: boolean;
}

/** All of a request's head is shorter than this, in bytes. */
export const maxHeadBytes = 12_000;
