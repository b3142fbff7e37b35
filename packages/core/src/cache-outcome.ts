/** Where an answer came from: kept from before, asked for anew, or asked for by somebody else at the same time. */
export type CacheOutcome = "hit" | "miss" | "coalesced";
