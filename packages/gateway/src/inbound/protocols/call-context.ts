import {
  type CallContext,
  type Caller,
  type CallWatch,
  CancelledError,
  type Clock,
  commonRegions,
  DeadlineExceededError,
  InvalidRequestError,
  type Priority,
  priorities,
  type RoutingWishes,
  type ScoringError,
  stageTimes,
} from "@tensorgate/core";
import type { AccessRequest, ReadHeader } from "../access/access.ts";
import type { RequestOptions } from "../options.ts";
import { networkOf } from "../server/address-network.ts";

/** A call that is under way. Disposing of it stops its timer. */
export interface ActiveCall extends Disposable {
  readonly call: CallContext;
}

/** What the context of a call is made from. */
export interface CallStart {
  readonly requestId: string;
  readonly access: Pick<AccessRequest, "header" | "remoteAddress">;
  /** Aborts when the caller has gone, or its protocol ends the call. */
  readonly gone: AbortSignal;
  readonly goneError?: (reason: unknown) => ScoringError;
  /** What the protocol itself says of the deadline, in milliseconds from now; undefined where it says nothing. */
  readonly timeoutMs?: number | undefined;
  readonly caller?: Caller | undefined;
  readonly watch?: CallWatch | undefined;
}

export interface CallContextDeps {
  readonly requests: Pick<Required<RequestOptions>, "defaultTimeoutMs" | "maxTimeoutMs">;
  readonly clock: Clock;
}

/**
 * Opens a call: its deadline with the timer that ends it, and what its headers ask of the router.
 *
 * @throws InvalidRequestError if one of our headers cannot be understood
 */
export function createCallContext(
  { requestId, access, gone, timeoutMs: protocolTimeoutMs, caller, watch, ...start }: CallStart,
  { requests, clock }: CallContextDeps,
): ActiveCall {
  const { header } = access;
  const { goneError = () => new CancelledError("the client closed the request") } = start;
  const askedMs = protocolTimeoutMs ?? timeoutFromHeader(header) ?? requests.defaultTimeoutMs;
  const timeoutMs = Math.min(Math.max(0, askedMs), requests.maxTimeoutMs);
  // Before there is a timer: what is refused here has nobody to stop one.
  const wishes = wishesFrom(header, caller);
  const controller = new AbortController();
  const expire = () => controller.abort(deadlineExceeded(timeoutMs));
  const cancel = () => controller.abort(goneError(gone.reason));
  const timer = clock.setTimer(timeoutMs, expire);
  if (timeoutMs === 0) expire();
  if (gone.aborted) cancel();
  gone.addEventListener("abort", cancel, { once: true });
  const isTraced = header("x-tensorgate-trace") === "1";
  return {
    call: {
      requestId,
      deadline: { atMs: clock.nowMs() + timeoutMs },
      signal: controller.signal,
      ...(caller && { caller }),
      fairnessKey: caller ? `key ${caller.id}` : `network ${networkOf(access.remoteAddress)}`,
      wishes,
      ...((isTraced || wishes.isForwarded) && { routed: { isTraced, steps: [] } }),
      ...(saysNoStore(header) && { noStore: true }),
      times: stageTimes(),
      ...(watch && { watch }),
    },
    [Symbol.dispose]: () => {
      timer[Symbol.dispose]();
      gone.removeEventListener("abort", cancel);
    },
  };
}

function deadlineExceeded(timeoutMs: number): DeadlineExceededError {
  return new DeadlineExceededError(`the call was not answered within ${Math.round(timeoutMs)} ms`, {
    hint: "set a longer deadline, or send a smaller picture",
  });
}

const timeoutHeader = "x-tensorgate-timeout-ms";

/** @throws InvalidRequestError if the header is there and not a number */
function timeoutFromHeader(header: ReadHeader): number | undefined {
  const text = header(timeoutHeader);
  if (text === undefined) return undefined;
  if (/^-?\d{1,12}$/.test(text)) return Number(text);
  throw new InvalidRequestError(`${timeoutHeader} must be a whole number of milliseconds`, {
    field: timeoutHeader,
  });
}

/** @see RFC 9111, section 5.2.1.5; gRPC's metadata has it too */
function saysNoStore(header: ReadHeader): boolean {
  const directives = header("cache-control")?.split(",") ?? [];
  return directives.some((directive) => directive.trim().toLowerCase() === "no-store");
}

const priorityHeader = "x-tensorgate-priority";

/** @throws InvalidRequestError if it is none that there is */
function priorityFrom(header: ReadHeader): Priority | undefined {
  const text = header(priorityHeader)?.toLowerCase();
  const found = priorities.find((priority) => priority === text);
  if (found || !text) return found;
  throw new InvalidRequestError(`${priorityHeader} must be one of ${priorities.join(", ")}`, {
    field: priorityHeader,
  });
}

const hopsHeader = "x-tensorgate-hops";
/** From the gateway that a caller found to the one of another region, and no further. */
const maxHops = 1;

/** @throws InvalidRequestError if the call has come through more gateways than it may */
function hopsFrom(header: ReadHeader): number {
  const text = header(hopsHeader) ?? "0";
  const hops = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN;
  if (hops <= maxHops) return hops;
  throw new InvalidRequestError(
    `${hopsHeader} must be a whole number of gateways, at most ${maxHops}`,
    {
      field: hopsHeader,
      hint: "a call may pass through one other gateway only; check the pools for a chain of gateways",
    },
  );
}

function wishesFrom(header: ReadHeader, caller: Caller | undefined): RoutingWishes {
  const region = header("x-tensorgate-region");
  const asked = header("x-tensorgate-residency")
    ?.split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  const residency = commonRegions(asked, caller?.residency);
  const priority = priorityFrom(header);
  return {
    ...(region && { region }),
    ...(priority && { priority }),
    ...(hopsFrom(header) > 0 && { isForwarded: true }),
    ...(residency && { residency }),
  };
}
