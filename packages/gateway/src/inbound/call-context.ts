import { randomUUID } from "node:crypto";
import {
  type CallContext,
  type Caller,
  type CallWatch,
  type Clock,
  DeadlineExceededError,
  InvalidRequestError,
  type RoutingWishes,
  type ScoringError,
  stageTimes,
} from "@tensorgate/core";
import type { RequestOptions } from "./options.ts";

/** Reads a header or a piece of gRPC metadata by its lower-case name. */
export type ReadHeader = (name: string) => string | undefined;

/** A call and the means to end it. Disposing of it stops its timer. */
export interface OpenCall extends Disposable {
  readonly call: CallContext;
  /** Ends the work of the call; only the first reason counts. */
  abort(reason: ScoringError): void;
}

export interface CallStart {
  readonly requestId: string;
  readonly header: ReadHeader;
  /** What the protocol itself says of the deadline, in milliseconds from now; undefined where it says nothing. */
  readonly timeoutMs?: number | undefined;
  readonly caller?: Caller | undefined;
  readonly watch?: CallWatch | undefined;
}

/** Opens a call: its deadline with the timer that ends it, and its wishes. */
export type OpenNewCall = (start: CallStart) => OpenCall;

export function callOpener(
  { defaultTimeoutMs, maxTimeoutMs }: Required<RequestOptions>,
  clock: Clock,
): OpenNewCall {
  return ({ requestId, header, timeoutMs: protocolTimeoutMs, caller, watch }) => {
    const askedMs = protocolTimeoutMs ?? timeoutFromHeader(header) ?? defaultTimeoutMs;
    const timeoutMs = Math.min(Math.max(0, askedMs), maxTimeoutMs);
    const controller = new AbortController();
    const expire = () => controller.abort(deadlineExceeded(timeoutMs));
    const timer = clock.setTimer(timeoutMs, expire);
    if (timeoutMs === 0) expire();
    return {
      call: {
        requestId,
        deadline: { atMs: clock.nowMs() + timeoutMs },
        signal: controller.signal,
        ...(caller && { caller }),
        wishes: wishesFrom(header),
        ...(saysNoStore(header) && { noStore: true }),
        times: stageTimes(),
        ...(watch && { watch }),
      },
      abort: (reason) => controller.abort(reason),
      [Symbol.dispose]: () => timer[Symbol.dispose](),
    };
  };
}

function deadlineExceeded(timeoutMs: number): DeadlineExceededError {
  return new DeadlineExceededError(`the call was not answered within ${Math.round(timeoutMs)} ms`, {
    hint: "give it a longer deadline, or send a smaller picture",
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

/** The caller's own id where it is fit to be logged and sent on, otherwise a new one. */
export function requestIdFrom(header: ReadHeader): string {
  const given = header("x-request-id");
  return given !== undefined && /^[\x21-\x7e]{1,128}$/.test(given) ? given : randomUUID();
}

/** @see RFC 9111, section 5.2.1.5; gRPC's metadata has it too */
function saysNoStore(header: ReadHeader): boolean {
  const directives = header("cache-control")?.split(",") ?? [];
  return directives.some((directive) => directive.trim().toLowerCase() === "no-store");
}

function wishesFrom(header: ReadHeader): RoutingWishes {
  const region = header("x-tensorgate-region");
  const residency = header("x-tensorgate-residency");
  return {
    ...(region && { region }),
    ...(residency !== undefined && {
      residency: residency
        .split(",")
        .map((name) => name.trim())
        .filter((name) => name !== ""),
    }),
  };
}
