import { ForbiddenError, type ScoringError } from "@tensorgate/core";
import { type CrossSiteOptions, isLoopbackName } from "../options.ts";
import type { AccessLayer } from "./access.ts";
import { originMatch } from "./origins.ts";

export interface CrossSite {
  /** Rejects what pages of other origins send, and calls by a name that is not the gateway's own. */
  readonly layer: AccessLayer;
  /** Headers of every answer to a request with this `Origin`: a browser shows it to a page only if they say so. */
  replyHeaders(origin: string): Readonly<Record<string, string>>;
  /** Headers of every answer to a request without one: what a cache keeps of it, it must not show to a page. */
  readonly withoutOrigin: Readonly<Record<string, string>>;
}

/** Headers that a page of another origin may send: those that our protocols read. */
const allowedHeaders = [
  "authorization",
  "baggage",
  "cache-control",
  "connect-accept-encoding",
  "connect-content-encoding",
  "connect-protocol-version",
  "connect-timeout-ms",
  "content-encoding",
  "content-type",
  "grpc-accept-encoding",
  "grpc-encoding",
  "grpc-timeout",
  "inference-header-content-length",
  "traceparent",
  "tracestate",
  "x-api-key",
  "x-grpc-web",
  "x-ms-aml-grpc-service-route",
  "x-request-id",
  "x-tensorgate-priority",
  "x-tensorgate-region",
  "x-tensorgate-residency",
  "x-tensorgate-session",
  "x-tensorgate-timeout-ms",
  "x-tensorgate-trace",
  "x-user-agent",
].join(", ");

/** Headers of a reply that such a page may read. */
const exposedHeaders = [
  "connect-accept-encoding",
  "grpc-accept-encoding",
  "grpc-message",
  "grpc-retry-pushback-ms",
  "grpc-status",
  "grpc-status-details-bin",
  "inference-header-content-length",
  "retry-after",
  "server-timing",
  "x-request-id",
  "x-tensorgate-model",
  "x-tensorgate-region",
  "x-tensorgate-revision",
  "x-tensorgate-trace",
].join(", ");

/** How long a browser may remember a preflight, in seconds; none remembers longer than this. */
const preflightSeconds = 7_200;

/**
 * What a browser learns before it sends the call of another origin. Of an origin that is not allowed as well: a browser
 * shows a page neither the refusal of a preflight nor its reason, but it shows the refusal of the call.
 *
 * @see Fetch, "CORS-preflight fetch"
 */
export function preflightHeaders(origin: string): Readonly<Record<string, string>> {
  return {
    "access-control-allow-origin": origin,
    "access-control-allow-methods": "GET, POST, PUT",
    "access-control-allow-headers": allowedHeaders,
    "access-control-max-age": String(preflightSeconds),
    vary: "origin",
  };
}

/** The page that called is of an origin that may not. */
class OriginNotAllowedError extends ForbiddenError {
  readonly origin: string;

  constructor(origin: string) {
    super(`the origin "${origin.slice(0, 100)}" is not allowed`, {
      field: "origin",
      hint: "list the origin under crossSite.origins",
    });
    this.origin = origin;
  }
}

/** Headers of the refusal of an origin, so that its page can read why; no headers for any other error. */
export function refusalHeaders(error: ScoringError): Readonly<Record<string, string>> {
  if (!(error instanceof OriginNotAllowedError)) return {};
  return {
    "access-control-allow-origin": error.origin,
    "access-control-expose-headers": "x-request-id",
    vary: "origin",
  };
}

/**
 * Lets browsers of the gateway's own origin and of the configured ones call, and no others.
 *
 * A form of any page can post to the gateway without a preflight, and any name can be bound to its address (DNS
 * rebinding), so both `Origin` and, on loopback, `Host` are checked. Callers that are no browsers send no `Origin`.
 *
 * @param host - address that the gateway is bound to
 * @see Fetch, "CORS protocol"
 */
export function createCrossSite(options: Required<CrossSiteOptions>, host: string): CrossSite {
  const matches = options.origins.map((entry) => originMatch(entry) ?? (() => false));
  const isListed = (origin: string | undefined) =>
    origin !== undefined && matches.some((match) => match(origin));
  const isBoundToLoopback = isLoopbackName(host);
  const withoutOrigin: Readonly<Record<string, string>> =
    matches.length > 0 ? { vary: "origin" } : {};
  // The usual names of loopback are found without reading them as addresses.
  const usualNames = ["localhost", "127.0.0.1", "::1"];
  const hosts = new Set([...usualNames, ...options.hosts.map((name) => name.toLowerCase())]);

  /** Authority of the call before, which was found to be the gateway's own: most callers use the same. */
  let knownAuthority = "";

  function assertOwnHost(authority: string): void {
    // HTTP/1.0 needs no `Host`, and health checks have none; browsers always send one, so this is no DNS rebinding.
    if (!isBoundToLoopback || authority === "") return;
    const name = hostName(authority);
    if (!hosts.has(name) && !isLoopbackName(name)) {
      throw new ForbiddenError(`the host name "${name.slice(0, 100)}" is not allowed`, {
        field: "host",
        hint: "use localhost or 127.0.0.1, or list the name under crossSite.hosts",
      });
    }
    knownAuthority = authority;
  }

  return {
    layer: ({ header }, admission) => {
      const authority = header(":authority") ?? header("host") ?? "";
      if (authority !== knownAuthority) assertOwnHost(authority);
      const origin = header("origin");
      if (origin === undefined || isListed(origin) || isOwnOrigin(origin, authority)) {
        return admission;
      }
      throw new OriginNotAllowedError(origin);
    },
    withoutOrigin,
    replyHeaders: (origin) => {
      if (!isListed(origin)) return withoutOrigin;
      return {
        "access-control-allow-origin": origin,
        "access-control-expose-headers": exposedHeaders,
        vary: "origin",
      };
    },
  };
}

/** `localhost:8080` to `localhost`, `[::1]:8080` to `::1`; lower case, and without the dot of a full name. */
function hostName(authority: string): string {
  const match = /^(?:\[([^\]]*)\]|([^:]*?)\.?)(?::\d*)?$/.exec(authority);
  return (match?.[1] ?? match?.[2] ?? authority).toLowerCase();
}

/** The scheme is not compared: TLS may be terminated by a proxy. */
function isOwnOrigin(origin: string, authority: string): boolean {
  return (
    authority !== "" && origin.toLowerCase().replace(/^https?:\/\//, "") === authority.toLowerCase()
  );
}
