import { guardedCallback, InternalError, type ScoringError } from "@tensorgate/core";
import type { GatewayDeps } from "./gateway-api.ts";

/** What the host, the program that embeds the gateway, hands in: callbacks, and what is served beside the API. */
export type HostCallbacks = Required<
  Pick<GatewayDeps, "onInternalError" | "onCertificates" | "onRejectedConnections" | "onReplica">
> & {
  readonly console: GatewayDeps["console"];
  readonly outages: GatewayDeps["outages"];
  /** Undefined if the host has none: nothing is written for a callback that is missing. */
  readonly onCall: GatewayDeps["onCall"];
  /** Reports that a process that decodes pictures cannot be started. */
  readonly onDecoderFailure: (error: ScoringError) => void;
  /** Reports that other gateways cannot be found. */
  readonly onSharingFailure: (error: ScoringError) => void;
  /** Reports an exception of an instrument of the host's providers. */
  readonly onTelemetryFailure: (thrown: unknown) => void;
};

/**
 * Guards every callback: an exception of one is reported as an internal error under the callback's name; one of
 * `onInternalError` itself is dropped, since it cannot be reported.
 */
export function hostCallbacks(deps: GatewayDeps): HostCallbacks {
  const onInternalError = guardedCallback(deps.onInternalError);
  const reported = (name: string) => (thrown: unknown) =>
    onInternalError(new InternalError(thrown), name);
  return {
    console: deps.console,
    outages: deps.outages,
    onInternalError,
    onCall: deps.onCall && guardedCallback(deps.onCall, reported("call")),
    onCertificates: guardedCallback(deps.onCertificates, reported("certificates")),
    onRejectedConnections: guardedCallback(deps.onRejectedConnections, reported("connections")),
    onReplica: guardedCallback(deps.onReplica, reported("replica")),
    onDecoderFailure: (error) => onInternalError(error, "decoder"),
    onSharingFailure: (error) => onInternalError(error, "sharing"),
    onTelemetryFailure: reported("telemetry"),
  };
}
