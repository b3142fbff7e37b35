import { guardedCallback, InternalError } from "@tensorgate/core";
import type { GatewayParts } from "./gateway-api.ts";

/** What the gateway calls of whoever embeds it. */
export type HostCallbacks = Required<
  Pick<
    GatewayParts,
    "onInternalError" | "onCall" | "onCertificates" | "onRejectedConnections" | "onReplica"
  >
> & {
  /** Reports what an instrument of the embedder's own providers threw. */
  readonly onTelemetryFailure: (thrown: unknown) => void;
};

/**
 * Guards every callback: what one throws is an internal error under the callback's name, and what `onInternalError`
 * itself throws is dropped, since there is nowhere left to report it.
 */
export function hostCallbacks(parts: GatewayParts): HostCallbacks {
  const onInternalError = guardedCallback(parts.onInternalError);
  const reported = (name: string) => (thrown: unknown) =>
    onInternalError(new InternalError(thrown), name);
  return {
    onInternalError,
    onCall: guardedCallback(parts.onCall, reported("call")),
    onCertificates: guardedCallback(parts.onCertificates, reported("certificates")),
    onRejectedConnections: guardedCallback(parts.onRejectedConnections, reported("connections")),
    onReplica: guardedCallback(parts.onReplica, reported("replica")),
    onTelemetryFailure: reported("telemetry"),
  };
}
