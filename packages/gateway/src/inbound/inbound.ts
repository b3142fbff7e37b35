import type { Clock, GatewayStatus, Readiness, ScoringError, WatchCall } from "@tensorgate/core";
import { createCrossSite } from "./access/cross-site.ts";
import type { CrossSiteOptions, ListenSettings, RequestOptions } from "./options.ts";
import { createCallRunner } from "./protocols/call.ts";
import { createHttpHandler } from "./protocols/http-handler.ts";
import { noRoute, problemBody } from "./protocols/rest/errors.ts";
import { plugRoutes, type RegionPlugs } from "./protocols/rest/plug-routes.ts";
import {
  type ConsoleFiles,
  consoleRoutes,
  healthRoutes,
  openapiRoutes,
} from "./protocols/rest/public-routes.ts";
import { restRoutes } from "./protocols/rest/routes.ts";
import { createRpcHandler } from "./protocols/rpc/handler.ts";
import type { InForce } from "./protocols/tasks.ts";
import { unroutedServingAnswer } from "./protocols/tensorflow-serving/errors.ts";
import { tensorflowServingRoutes } from "./protocols/tensorflow-serving/routes.ts";
import { createBodyBudget } from "./server/body/body-budget.ts";
import { createGunzip } from "./server/body/gunzip.ts";
import type { RejectionReason } from "./server/listener/connections.ts";
import { createListener, type Listener } from "./server/listener/listener.ts";
import type { CertificateNews } from "./server/listener/tls-acceptor.ts";

export interface InboundDeps {
  readonly listen: ListenSettings;
  readonly requests: Required<RequestOptions>;
  readonly crossSite: Required<CrossSiteOptions>;
  /** Pictures of one call. */
  readonly maxPictures: number;
  /** What a reload swaps, as it is at this moment. */
  readonly inForce: () => InForce;
  readonly status: () => GatewayStatus;
  readonly readiness: () => Readiness;
  readonly version: string;
  readonly console: ConsoleFiles;
  readonly plugs: RegionPlugs | undefined;
  readonly watchCall: WatchCall;
  /** Called with what is our own fault, of which the caller only learns the request id. */
  readonly onInternalError: (error: ScoringError, requestId: string) => void;
  readonly onCertificates: (news: CertificateNews) => void;
  readonly onRejected: (reason: RejectionReason) => void;
  readonly clock: Clock;
}

export interface Inbound extends Pick<Listener, "listen" | "drain" | "close" | "connectionCount"> {
  readonly bytesInFlight: number;
}

/** Every protocol on one port: bytes become calls, and answers bytes. */
export function createInbound(deps: InboundDeps): Inbound {
  const { listen, requests, clock } = deps;

  // server: bytes of all requests and answers count against one budget
  const bodyBudget = createBodyBudget({ requests, listen, clock });
  const gunzip = createGunzip();

  // access: asked in this order before anything of a body is read
  const crossSite = createCrossSite(deps.crossSite, listen.host);
  const layers = ({ authenticate }: InForce) => [crossSite.layer, authenticate];

  // protocols: each only translates; the runner is the one way of a call
  const runner = createCallRunner({ ...deps, layers });
  const limits = { maxBodyBytes: requests.maxBodyBytes, maxPictures: deps.maxPictures };
  const http = createHttpHandler({
    routes: [
      ...restRoutes({ limits, clock }),
      ...tensorflowServingRoutes(),
      ...healthRoutes(deps.readiness),
      ...openapiRoutes(deps.version),
      ...consoleRoutes(deps.console),
      ...(deps.plugs ? plugRoutes(deps.plugs) : []),
    ],
    unrouted: (exchange, allowed) => unroutedServingAnswer(exchange) ?? noRoute(exchange, allowed),
    errorBody: problemBody,
    runner,
    crossSite,
    bodyBudget,
    gunzip,
  });
  const shutdown = new AbortController();
  const rpc = createRpcHandler({
    ...deps,
    runner,
    bodyBudget,
    gunzip,
    shutdownSignal: shutdown.signal,
  });

  const server = createListener({
    listen,
    requests,
    budget: bodyBudget,
    onRequest: (request, response) => {
      const { origin, "content-type": contentType = "" } = request.headers;
      const headers = origin === undefined ? undefined : crossSite.readingHeaders(origin);
      for (const name in headers) response.setHeader(name, headers[name] ?? "");
      const path = request.url?.split("?", 1)[0] ?? "/";
      const isRpc = rpc.paths.has(path) || contentType.startsWith("application/grpc");
      if (isRpc) rpc.answer(request, response);
      else http(request, response);
    },
    onCertificates: deps.onCertificates,
    onRejected: deps.onRejected,
    clock,
  });

  return {
    get connectionCount() {
      return server.connectionCount;
    },
    get bytesInFlight() {
      return bodyBudget.bytesInFlight;
    },
    listen: server.listen,
    drain: server.drain,
    close: (graceMs) => {
      shutdown.abort();
      return server.close(graceMs);
    },
  };
}
