import { randomUUID } from "node:crypto";
import type { Protocol } from "@tensorgate/core";
import type { AccessRequest, ReadHeader } from "../access/access.ts";
import { isLoopbackName } from "../options.ts";
import { headerOf } from "../server/exchange.ts";
import { allowLongBody } from "../server/listener/unread-body.ts";
import type { NodeRequest, NodeResponse } from "../server/node-http.ts";
import type { CallRunner, IncomingCall } from "./call.ts";

/** What the protocol knows of a request from its path. */
export interface IncomingOptions {
  readonly protocol: Protocol;
  readonly operation: string;
  /** Whether it is answered without a key. */
  readonly isPublic: boolean;
  readonly isRecorded: boolean;
  readonly receivedBytes: () => number;
  readonly runner: Pick<CallRunner, "admit">;
}

/** A request as the runner of calls takes it. Its caller is let in when that is asked for, and once for all. */
export function incomingFrom(
  request: NodeRequest,
  response: NodeResponse,
  { isPublic, runner, ...options }: IncomingOptions,
): IncomingCall {
  const header: ReadHeader = (name) => headerOf(request, name);
  const access: AccessRequest = {
    header,
    remoteAddress: request.socket.remoteAddress,
    isPrivate: isPrivate(request),
    isPublic,
    kind: "call",
  };
  const gone = new AbortController();
  response.once("close", () => {
    // What was ended is over; and node:http2 says of a response that was cut that it is finished.
    if (!response.writableEnded) gone.abort();
  });
  request.once("error", () => gone.abort());

  async function admit() {
    const admitted = await runner.admit(access);
    if (!isPublic) allowLongBody(request);
    return admitted;
  }

  let admitted: ReturnType<IncomingCall["admitted"]> | undefined;
  return {
    ...options,
    requestId: requestIdFrom(header),
    access,
    gone: gone.signal,
    admitted: () => {
      admitted ??= admit();
      return admitted;
    },
  };
}

/** The caller's own id where it is fit to be logged and sent on, otherwise a new one. */
export function requestIdFrom(header: ReadHeader): string {
  const given = header("x-request-id");
  return given !== undefined && /^[\x21-\x7e]{1,128}$/.test(given) ? given : randomUUID();
}

/** Encrypted, or from this very machine. */
function isPrivate({ socket }: NodeRequest): boolean {
  const isEncrypted = "encrypted" in socket && socket.encrypted === true;
  return isEncrypted || isLoopbackName((socket.remoteAddress ?? "").replace(/^::ffff:/, ""));
}
