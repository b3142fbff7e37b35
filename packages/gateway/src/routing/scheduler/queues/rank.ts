import { type Priority, priorities } from "@tensorgate/core";

/** Place of a request's class in a line, 0 for those that come first. */
export type Rank = number;

/** In each class a region's own callers come before what other regions send. */
export function rankOf(request: {
  readonly priority: Priority;
  readonly isForwarded: boolean;
}): Rank {
  return 2 * priorities.indexOf(request.priority) + (request.isForwarded ? 1 : 0);
}

export const rankCount: number = 2 * priorities.length;
