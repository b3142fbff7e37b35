import type { Arrival, SchedulerCommand, SchedulerEvent } from "../scheduler/events.ts";

/**
 * What a gateway tells the owner of the slots: the events of its calls. Ids of requests are the gateway's, ids of attempts
 * the owner's.
 */
export type FollowerMessage =
  | RelayedArrival
  | Extract<
      SchedulerEvent,
      { readonly type: "answered" | "failed" | "cancelled" | "drain" | "readmit" }
    >;

/** A request of another gateway. Clocks differ, so that it has the time that is left instead of a deadline. */
export interface RelayedArrival extends Omit<Arrival, "deadlineMs" | "detourMs"> {
  readonly type: "arrival";
  /** Time until the deadline, in milliseconds. */
  readonly leftMs: number;
}

/** What the owner answers: the commands for those calls, with the same ids. */
export type OwnerMessage = Extract<
  SchedulerCommand,
  { readonly type: "send" | "settle" | "reject" | "abandon" }
>;
