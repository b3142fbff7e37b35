import { ForbiddenError } from "@tensorgate/core";
import { type CrossSiteOptions, isLoopbackName } from "../options.ts";
import type { AccessLayer } from "./access.ts";

export interface CrossSite {
  /** Rejects what pages of other origins send, and calls by a name that is not the gateway's own. */
  readonly layer: AccessLayer;
  /** Headers by which a browser shows an answer to the page of another origin; undefined for an origin that may not read it. */
  readingHeaders(origin: string): Readonly<Record<string, string>> | undefined;
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

/** What a browser learns before it sends the call of another origin. @see Fetch, "CORS-preflight fetch" */
export const preflightHeaders: Readonly<Record<string, string>> = {
  "access-control-allow-methods": "GET, POST",
  "access-control-allow-headers": allowedHeaders,
  "access-control-max-age": String(preflightSeconds),
};

/**
 * Lets browsers of the gateway's own origin and of the configured ones call, and no others.
 *
 * A form of any page can post to us without a preflight, and a name of any page can be bound to our address, so
 * both `Origin` and, on loopback, `Host` are checked. Callers that are no browsers send no `Origin`.
 *
 * @param host - address that the gateway is bound to
 * @see Fetch, "CORS protocol"
 */
export function createCrossSite(options: Required<CrossSiteOptions>, host: string): CrossSite {
  const origins = new Set(options.origins);
  const allowsAll = origins.has("*");
  const isBoundToLoopback = isLoopbackName(host);
  const hosts = new Set(["localhost", ...options.hosts.map((name) => name.toLowerCase())]);

  return {
    layer: ({ header }, admission) => {
      const authority = header(":authority") ?? header("host") ?? "";
      const name = hostName(authority);
      if (isBoundToLoopback && !hosts.has(name) && !isLoopbackName(name)) {
        throw new ForbiddenError(`the host name "${name.slice(0, 100)}" is not allowed`, {
          field: "host",
          hint: "use localhost or 127.0.0.1, or list the name under crossSite.hosts",
        });
      }
      const origin = header("origin");
      if (origin === undefined || allowsAll || origins.has(origin)) return admission;
      if (isOwnOrigin(origin, authority)) return admission;
      throw new ForbiddenError(`the origin "${origin.slice(0, 100)}" is not allowed`, {
        field: "origin",
        hint: "list the origin under crossSite.origins",
      });
    },
    readingHeaders: (origin) => {
      if (!(allowsAll || origins.has(origin))) return undefined;
      return {
        "access-control-allow-origin": origin,
        "access-control-expose-headers": exposedHeaders,
        vary: "origin",
      };
    },
  };
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
