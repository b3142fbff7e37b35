/** How an attempt or a probe ended, as far as it tells of the replica. */
export type Outcome =
  | "answered"
  /** The replica said that it failed. */
  | "failed"
  /** The replica said that its model is still being loaded. */
  | "warming"
  /** The connection was lost or never made. */
  | "lost"
  /** The caller went away: says nothing. */
  | "abandoned";
