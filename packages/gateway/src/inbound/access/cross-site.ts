import { ForbiddenError } from "@tensorgate/core";
import { type CrossSiteOptions, isLoopbackName } from "../options.ts";
import { requestIdFrom } from "../protocols/call-context.ts";
import { problemReply } from "../protocols/rest/errors.ts";
import { headerOf, sendReply } from "../server/exchange.ts";
import type { NodeRequest, NodeResponse, OnRequest } from "../server/node-http.ts";

export interface CrossSiteParts {
  readonly options: Required<CrossSiteOptions>;
  /** Address that the gateway is bound to. */
  readonly host: string;
  readonly next: OnRequest;
}

/** Headers that a page of another origin may send: those that our protocols read. */
const allowedHeaders = [
  "authorization",
  "cache-control",
  "connect-protocol-version",
  "connect-timeout-ms",
  "content-type",
  "grpc-timeout",
  "x-api-key",
  "x-grpc-web",
  "x-request-id",
  "x-tensorgate-priority",
  "x-tensorgate-region",
  "x-tensorgate-residency",
  "x-tensorgate-timeout-ms",
  "x-tensorgate-trace",
  "x-user-agent",
].join(", ");

/** Headers of a reply that such a page may read. */
const exposedHeaders = [
  "grpc-message",
  "grpc-retry-pushback-ms",
  "grpc-status",
  "grpc-status-details-bin",
  "retry-after",
  "server-timing",
  "x-request-id",
  "x-tensorgate-model",
  "x-tensorgate-region",
].join(", ");

/** How long a browser may remember a preflight, in seconds; none remembers longer than this. */
const preflightSeconds = 7_200;

/**
 * Answers browsers of the gateway's own origin and of the configured ones only.
 *
 * A form of any page can post to us without a preflight, and a name of any page can be bound to our address, so
 * both `Origin` and, on loopback, `Host` are checked. Callers that are no browsers send no `Origin`.
 *
 * @see Fetch, "CORS protocol"
 */
export function crossSiteGuard({ options, host, next }: CrossSiteParts): OnRequest {
  const origins = new Set(options.origins);
  const allowsAll = origins.has("*");
  const isBoundToLoopback = isLoopbackName(host);
  const hosts = new Set(options.hosts.map((name) => name.toLowerCase()));

  function refusal(request: NodeRequest): ForbiddenError | undefined {
    const authority = authorityOf(request);
    const name = hostName(authority);
    if (isBoundToLoopback && !isLoopbackName(name) && !hosts.has(name)) {
      return new ForbiddenError(`the host name "${name.slice(0, 100)}" is not allowed`, {
        field: "host",
        hint: "use localhost or 127.0.0.1, or list the name under crossSite.hosts",
      });
    }
    const { origin } = request.headers;
    if (origin === undefined || allowsAll || origins.has(origin)) return undefined;
    if (isOwnOrigin(origin, authority)) return undefined;
    return new ForbiddenError(`the origin "${origin.slice(0, 100)}" is not allowed`, {
      field: "origin",
      hint: "list the origin under crossSite.origins",
    });
  }

  return (request, response) => {
    const refused = refusal(request);
    if (refused) {
      const requestId = requestIdFrom((name) => headerOf(request, name));
      return sendReply(response, problemReply(refused, requestId));
    }
    const { origin } = request.headers;
    const isForeign = origin !== undefined && (allowsAll || origins.has(origin));
    if (isForeign) allowReading(response, origin);
    const isPreflight =
      request.method === "OPTIONS" &&
      request.headers["access-control-request-method"] !== undefined;
    if (!isForeign || !isPreflight) return next(request, response);
    sendReply(response, {
      status: 204,
      headers: {
        "access-control-allow-methods": "GET, POST",
        "access-control-allow-headers": allowedHeaders,
        "access-control-max-age": String(preflightSeconds),
      },
      body: "",
    });
  };
}

function allowReading(response: NodeResponse, origin: string): void {
  response.setHeader("access-control-allow-origin", origin);
  response.setHeader("access-control-expose-headers", exposedHeaders);
  response.setHeader("vary", "origin");
}

function authorityOf(request: NodeRequest): string {
  return headerOf(request, ":authority") ?? headerOf(request, "host") ?? "";
}

/** `localhost:8080` to `localhost`, `[::1]:8080` to `::1`; lower case. */
function hostName(authority: string): string {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::\d+)?$/.exec(authority);
  return (match?.[1] ?? match?.[2] ?? authority).toLowerCase();
}

/** The scheme is not compared: TLS may end before us, and then we see none. */
function isOwnOrigin(origin: string, authority: string): boolean {
  return (
    authority !== "" && origin.toLowerCase().replace(/^https?:\/\//, "") === authority.toLowerCase()
  );
}
