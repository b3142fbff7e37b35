import type http2 from "node:http2";
import type { LoadPlan } from "./commands.ts";
import { type Connections, connections, wasNeverAccepted } from "./connections.ts";
import { gatewayRequest, isRightAnswer, reasonOf, replicaRequest } from "./messages.ts";

export type CallEnd =
  | { readonly kind: "answered"; readonly region: string; readonly sentElsewhere: number }
  | { readonly kind: "failed"; readonly reason: string; readonly sentElsewhere: number };

/** Makes one call and tells how it ended. Never throws. */
export type Caller = (requestId: string, onEnd: (end: CallEnd) => void) => void;

/**
 * A caller waits so much longer than it said, in milliseconds: for the answer that it was too late, from a machine that
 * is busy. It resets nothing then, since a gateway cuts callers who do that often.
 */
const graceMs = 15_000;
/** Retries of a call that every gateway rejected, and the delay before each, in milliseconds. */
const maxRefusals = 40;
const refusedPauseMs = 25;

type Attempt =
  | { readonly kind: "answered"; readonly region: string }
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "never-accepted" };

/**
 * Calls by Connect through gateways, or by gRPC at a replica. What a gateway never accepted is sent again, at the
 * next one; whatever else fails has failed.
 */
export function openCaller({ target, timeoutMs, bodyBytes, connections: count }: LoadPlan): {
  readonly call: Caller;
  readonly close: () => void;
} {
  const isDirect = target.kind === "replica";
  const body = isDirect ? replicaRequest(bodyBytes) : gatewayRequest(bodyBytes);
  const headers = isDirect
    ? grpcHeaders
    : { ...connectHeaders, "x-tensorgate-timeout-ms": timeoutMs };
  const guardMs = timeoutMs + graceMs;
  const ports = isDirect ? [target.port] : target.ports;
  const targets = ports.map((port) => connections(port, count));
  let turn = 0;

  function attempt(to: Connections, requestId: string, onEnd: (end: Attempt) => void): void {
    const session = to.next();
    const stream = session.request({
      ...headers,
      "content-length": body.byteLength,
      "x-request-id": requestId,
    });
    const chunks: Buffer[] = [];
    let received: http2.IncomingHttpHeaders = {};
    let isWhole = false;
    const guard = setTimeout(() => end({ kind: "failed", reason: "no-answer-at-all" }), guardMs);
    stream.on("error", () => {});
    stream.on("response", (given) => {
      received = given;
    });
    stream.on("trailers", (given) => {
      received = { ...received, ...given };
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.once("end", () => {
      isWhole = true;
    });
    stream.once("close", () => {
      const httpStatus = received[":status"];
      if (httpStatus === undefined || !isWhole || stream.aborted) {
        if (wasNeverAccepted(session, stream)) return end({ kind: "never-accepted" });
        return end({ kind: "failed", reason: "connection-lost" });
      }
      end(isDirect ? endOfGrpc(received) : endOfConnect(received, Buffer.concat(chunks)));
    });
    stream.end(body);

    let hasEnded = false;
    function end(how: Attempt): void {
      clearTimeout(guard);
      if (!hasEnded) onEnd(how);
      hasEnded = true;
    }
  }

  const call: Caller = (requestId, onEnd) => {
    let sentElsewhere = 0;
    turn += 1;
    const first = turn;
    const tryNext = () => {
      const to = targets[(first + sentElsewhere) % targets.length];
      if (!to) return onEnd({ kind: "failed", reason: "no-target", sentElsewhere });
      attempt(to, requestId, (end) => {
        if (end.kind !== "never-accepted") return onEnd({ ...end, sentElsewhere });
        sentElsewhere += 1;
        if (sentElsewhere > maxRefusals) {
          return onEnd({ kind: "failed", reason: "refused-everywhere", sentElsewhere });
        }
        // Once round all of them, they may all be on their way back.
        setTimeout(tryNext, sentElsewhere < targets.length ? 0 : refusedPauseMs);
      });
    };
    tryNext();
  };
  return {
    call,
    close: () => {
      for (const each of targets) each.close();
    },
  };
}

const connectHeaders = {
  ":method": "POST",
  ":path": "/tensorgate.v1.ScoringService/Predict",
  "content-type": "application/proto",
  "connect-protocol-version": "1",
};

const grpcHeaders = {
  ":method": "POST",
  ":path": "/tensorflow.serving.PredictionService/Predict",
  "content-type": "application/grpc",
  te: "trailers",
};

function endOfConnect(headers: http2.IncomingHttpHeaders, body: Buffer): Attempt {
  const status = Number(headers[":status"]);
  if (status !== 200) return { kind: "failed", reason: reasonOf(body, status) };
  if (!isRightAnswer(body)) return { kind: "failed", reason: "wrong-answer" };
  return { kind: "answered", region: String(headers["x-tensorgate-region"] ?? "") };
}

function endOfGrpc(headers: http2.IncomingHttpHeaders): Attempt {
  const status = String(headers["grpc-status"] ?? "none");
  if (status === "0") return { kind: "answered", region: "" };
  return { kind: "failed", reason: `grpc-status ${status}` };
}
