import { randomUUID } from "node:crypto";
import {
  type CacheOutcome,
  type CallContext,
  CallController,
  type Caller,
  type CallObserver,
  type CallSignal,
  CancelledError,
  type Clock,
  commonRegions,
  DeadlineExceededError,
  type Protocol,
  type RoutingHints,
  type Stage,
  type StageTime,
  type StageTimes,
  stages,
} from "@tensorgate/core";
import type { AccessRequest, AdmittedCall, ReadHeader } from "../access/access.ts";
import type { RequestOptions } from "../options.ts";
import { allowLongBody } from "../server/exchange.ts";
import { networkOf } from "../server/listener/connections.ts";
import type { NodeRequest, NodeResponse } from "../server/node-http.ts";
import {
  hasNoStore,
  hopsHeader,
  parseHops,
  parsePriority,
  parseRegions,
  parseTimeoutMs,
  priorityHeader,
  timeoutHeader,
} from "./call-headers.ts";

/** Ends a call: an `AbortController` can. */
export interface CallEnd {
  readonly signal: CallSignal;
  abort(reason: unknown): void;
}

/** A call of which nothing but the headers is read. */
export interface IncomingCall {
  readonly protocol: Protocol;
  /** The method or route, without what varies: `POST /v1/classify/{model}`. */
  readonly operation: string;
  readonly requestId: string;
  readonly access: AccessRequest;
  /** Whether it is worth a record. */
  readonly isRecorded: boolean;
  /** Whether it was admitted and authenticated, by its headers alone; a promise if that takes time, or it was rejected. */
  readonly admitted: AdmittedCall | Promise<AdmittedCall>;
  /** Aborts the call, with a ScoringError as its reason: when the client disconnects, or the deadline passes. */
  readonly controller: CallEnd;
  /** What has arrived of the body so far. */
  readonly body: { readonly receivedBytes: number };
}

/** What the protocol knows of a request from its path. */
export interface IncomingOptions
  extends Pick<IncomingCall, "protocol" | "operation" | "isRecorded" | "body"> {
  readonly header: ReadHeader;
  /** Whether it is answered without a key. */
  readonly isPublic: boolean;
  readonly admit: (request: AccessRequest) => AdmittedCall | Promise<AdmittedCall>;
}

/** Begins a call: its access is checked immediately, before its body is read. */
export function createIncomingCall(
  request: NodeRequest,
  response: NodeResponse,
  { protocol, operation, isRecorded, body, header, isPublic, admit }: IncomingOptions,
): IncomingCall {
  const { socket } = request;
  const access: AccessRequest = {
    header,
    remoteAddress: socket.remoteAddress,
    isEncrypted: "encrypted" in socket && socket.encrypted === true,
    isPublic,
    kind: "call",
  };
  const controller = new CallController();
  const onGone = () => controller.abort(new CancelledError("the client closed the request"));
  response.on("close", () => {
    // What was ended is over; and node:http2 says of a response that was cut that it is finished.
    if (!response.writableEnded) onGone();
  });
  request.on("error", onGone);
  return {
    protocol,
    operation,
    requestId: requestIdFrom(header),
    access,
    isRecorded,
    admitted: admittedOnce(request, access, admit),
    controller,
    body,
  };
}

/** Admits a call; its body may be long then. @returns a rejected promise if it was rejected */
function admittedOnce(
  request: NodeRequest,
  access: AccessRequest,
  admit: IncomingOptions["admit"],
): AdmittedCall | Promise<AdmittedCall> {
  const { isPublic } = access;
  try {
    const admitted = admit(access);
    if (!(admitted instanceof Promise)) {
      if (!isPublic) allowLongBody(request);
      return admitted;
    }
    const allowed = admitted.then((call) => {
      if (!isPublic) allowLongBody(request);
      return call;
    });
    return handled(allowed);
  } catch (thrown) {
    return handled(Promise.reject(thrown));
  }
}

/** Each protocol awaits it; where one fails before, this is no unhandled rejection. */
function handled<Value>(promise: Promise<Value>): Promise<Value> {
  promise.catch(() => {});
  return promise;
}

/** The caller's own id where it is fit to be logged and sent on, otherwise a new one. */
export function requestIdFrom(header: ReadHeader): string {
  const given = header("x-request-id");
  return given !== undefined && /^[\x21-\x7e]{1,128}$/.test(given) ? given : randomUUID();
}

/** A call that is under way. */
export interface ActiveCall {
  readonly call: CallContext;
  /** Ends the call at its deadline; to be disposed of with the call. */
  readonly timer: Disposable;
}

/** What the context of a call is made from. */
export interface CallStart {
  readonly requestId: string;
  readonly access: Pick<AccessRequest, "header" | "remoteAddress">;
  /** Aborts the call: what ends it before its deadline has this controller, too. */
  readonly controller: CallEnd;
  /** What the protocol itself says of the deadline, in milliseconds from now; undefined where it says nothing. */
  readonly timeoutMs?: number | undefined;
  readonly caller?: Caller | undefined;
  readonly observer?: CallObserver | undefined;
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
  { requestId, access, controller, timeoutMs: protocolTimeoutMs, caller, observer }: CallStart,
  { requests, clock }: CallContextDeps,
): ActiveCall {
  const { header } = access;
  const timeoutText = header(timeoutHeader);
  const callerMs =
    protocolTimeoutMs ?? (timeoutText === undefined ? undefined : parseTimeoutMs(timeoutText));
  const askedMs = callerMs ?? requests.defaultTimeoutMs;
  const timeoutMs = Math.min(Math.max(0, askedMs), requests.maxTimeoutMs);
  // Before there is a timer: a call that is rejected here would leave it running.
  const hints = hintsFrom(header, caller);
  const expire = () => controller.abort(deadlineExceeded(timeoutMs));
  const timer = clock.setTimer(timeoutMs, expire);
  if (timeoutMs === 0) expire();
  const isTraced = header("x-tensorgate-trace") === "1";
  const cacheControl = header("cache-control");
  return {
    call: {
      requestId,
      deadline: { atMs: clock.nowMs() + timeoutMs },
      signal: controller.signal,
      caller,
      fairnessKey: caller ? `key ${caller.id}` : `network ${networkOf(access.remoteAddress)}`,
      hints,
      routingTrace: isTraced || hints.isForwarded ? { isTraced, steps: [] } : undefined,
      noStore: cacheControl !== undefined && hasNoStore(cacheControl),
      times: new CallStageTimes(),
      requestBytes: { mayBeRead: false },
      observer,
      // Attempts have one: a call that is spread into theirs keeps its shape.
      traceparent: undefined,
    },
    timer,
  };
}

/** Cheapest first. */
const outcomes: readonly (CacheOutcome | undefined)[] = [undefined, "hit", "coalesced", "miss"];

/** A class, so that calls share its methods. */
export class CallStageTimes implements StageTimes {
  /** In the order of a request: a call has a handful. */
  readonly entries: { stage: Stage; durationMs: number; outcome?: CacheOutcome }[] = [];

  add(stage: Stage, durationMs: number, outcome?: CacheOutcome): void {
    const { entries } = this;
    let at = entries.length;
    while (at > 0 && stages.indexOf((entries[at - 1] as StageTime).stage) > stages.indexOf(stage)) {
      at -= 1;
    }
    // Before the first there is none: an index below 0 would be looked up as a name.
    const before = at > 0 ? entries[at - 1] : undefined;
    if (before?.stage !== stage) {
      const entry = outcome ? { stage, durationMs, outcome } : { stage, durationMs };
      if (at === entries.length) entries.push(entry);
      else entries.splice(at, 0, entry);
      return;
    }
    before.durationMs += durationMs;
    const isCostlier = outcomes.indexOf(outcome) > outcomes.indexOf(before.outcome);
    if (outcome && isCostlier) before.outcome = outcome;
  }
}

function deadlineExceeded(timeoutMs: number): DeadlineExceededError {
  return new DeadlineExceededError(`the call was not answered within ${Math.round(timeoutMs)} ms`, {
    hint: "set a longer deadline, or send a smaller picture",
  });
}

const sessionHeader = "x-tensorgate-session";
/** Characters of a session that count. */
const maxSessionChars = 256;

const noHints: RoutingHints = {};

function hintsFrom(header: ReadHeader, caller: Caller | undefined): RoutingHints {
  const region = header("x-tensorgate-region");
  const regions = header("x-tensorgate-residency");
  const residency =
    regions === undefined
      ? caller?.residency
      : commonRegions(parseRegions(regions), caller?.residency);
  const priority = header(priorityHeader);
  const hops = header(hopsHeader);
  const session = header(sessionHeader);
  // As most calls, which share it: five spreads of nothing cost more than all of the above.
  if ((region ?? priority ?? hops ?? session ?? residency) === undefined) return noHints;
  return {
    ...(region && { region }),
    ...(priority && { priority: parsePriority(priority) }),
    ...(session && { session: session.slice(0, maxSessionChars) }),
    ...(hops !== undefined && parseHops(hops) > 0 && { isForwarded: true }),
    ...(residency && { residency }),
  };
}
