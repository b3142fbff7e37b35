import type { ConnectRouter, ConnectRouterOptions } from "@connectrpc/connect";
import type {
  CapacityStatus,
  Clock,
  GatewayStatus,
  ModelStatistics,
  ObserveCall,
  Readiness,
  ScoringError,
} from "@tensorgate/core";
import type { InForce } from "./access/access.ts";
import { createCrossSite } from "./access/cross-site.ts";
import {
  type CrossSiteOptions,
  crossSiteDefaults,
  type ListenOptions,
  listenDefaults,
  type RequestOptions,
  requestDefaults,
} from "./options.ts";
import { createCallRunner } from "./protocols/call.ts";
import { createHttpHandler } from "./protocols/http-handler.ts";
import { meantPath } from "./protocols/meant-path.ts";
import { unroutedInferenceAnswer } from "./protocols/open-inference/errors.ts";
import { openInferenceRoutes } from "./protocols/open-inference/routes.ts";
import { noRoute, problemBody } from "./protocols/rest/errors.ts";
import {
  outageRoutes,
  type SimulatedOutages,
  withOutages,
} from "./protocols/rest/outage-routes.ts";
import {
  type ConsoleFiles,
  consoleRoutes,
  healthRoutes,
  openapiRoutes,
} from "./protocols/rest/public-routes.ts";
import { restRoutes } from "./protocols/rest/routes.ts";
import { createRpcHandler } from "./protocols/rpc/connect/handler.ts";
import { unroutedServingAnswer } from "./protocols/tensorflow-serving/errors.ts";
import { tensorflowServingRoutes } from "./protocols/tensorflow-serving/routes.ts";
import { createBodyBudget } from "./server/body/body-budget.ts";
import { createDecompress } from "./server/body/decompress.ts";
import { createListener } from "./server/listener/listener.ts";
import {
  createRejectionReports,
  type RejectedConnections,
  type RejectionReason,
} from "./server/listener/rejections.ts";
import type { CertificateNews } from "./server/listener/tls-acceptor.ts";

export interface InboundDeps {
  readonly options: InboundOptions;
  /** Where the gateway runs. */
  readonly region: string;
  /** Pictures of one call. */
  readonly maxPictures: number;
  /** What a reload swaps: `current` is what is in force at this moment. */
  readonly inForce: { readonly current: InForce };
  /** How the regions are doing, with or without the addresses of replicas. */
  readonly status: (
    showsAddresses: boolean,
  ) => Pick<GatewayStatus, "regions" | "retriesLeft" | "sharing">;
  /** Free devices of the cluster, if they are counted; `refresh` reads them if that is due. */
  readonly capacity:
    | {
        readonly current: () => CapacityStatus;
        readonly refresh: () => Promise<void>;
        readonly close: () => void;
      }
    | undefined;
  readonly readiness: (isClosing: boolean) => Readiness;
  readonly version: string;
  /** Files of the page at `/`. */
  readonly console: ConsoleFiles | undefined;
  readonly outages: SimulatedOutages | undefined;
  readonly observeCall: ObserveCall;
  readonly statistics: ModelStatistics;
  /** Called with each internal error; the caller gets only the request id. */
  readonly onInternalError: (error: ScoringError, requestId: string) => void;
  readonly onCertificates: (news: CertificateNews) => void;
  /** Called for every connection that is closed before it is used. */
  readonly onRejected: (reason: RejectionReason) => void;
  /** The same, at most every ten seconds for each reason. */
  readonly onRejectedConnections: (rejected: RejectedConnections) => void;
  /** Whether other processes may listen on the port, too. */
  readonly isPortShared: boolean;
  /** Adds what others that serve as one with this gateway know. */
  readonly joinStatus: ((own: GatewayStatus) => GatewayStatus) | undefined;
  /** Creates a router of methods beside ours: for tests of what every method has in common. */
  readonly otherRouter?: (options: ConnectRouterOptions) => ConnectRouter;
  readonly clock: Clock;
}

/** Settings of the port, of requests, and of pages of other sites. */
export interface InboundOptions {
  readonly listen?: ListenOptions | undefined;
  readonly requests?: RequestOptions | undefined;
  readonly crossSite?: CrossSiteOptions | undefined;
}

export interface InboundLoad {
  readonly connections: number;
  /** Connections that wait to be read, because more requests are in flight than the gateway's processor can work on. */
  readonly waitingConnections: number;
  /** Of requests in flight and of unread responses. */
  readonly bytesInFlight: number;
}

export interface Inbound {
  /** The configured port until the gateway listens; then the bound one. */
  readonly port: number;
  /** Where it answers, once it listens. */
  readonly url: string;
  load(): InboundLoad;
  /** @throws the system's error if the port is taken, SettingError if a file of TLS cannot be used */
  listen(): Promise<void>;
  status(showsAddresses: boolean): GatewayStatus;
  /** @see Gateway.close */
  close(graceMs?: number, drainDelayMs?: number): Promise<void>;
}

/** How long `close` waits for calls in flight, in milliseconds. */
const defaultGraceMs = 10_000;

/** Every protocol on one port: bytes become calls, and answers bytes. */
export function createInbound(deps: InboundDeps): Inbound {
  const { options, region, version, outages, clock } = deps;
  const listen = { ...listenDefaults, ...options.listen };
  const requests = { ...requestDefaults, ...options.requests };
  const startedMs = clock.nowMs();
  let isClosing = false;
  const readiness = () => deps.readiness(isClosing);
  const status = (showsAddresses: boolean): GatewayStatus => {
    const { regions, ...routed } = deps.status(showsAddresses);
    const uptimeMs = clock.nowMs() - startedMs;
    const capacity = deps.capacity?.current();
    return {
      version,
      region,
      uptimeMs,
      regions: withOutages(regions, outages),
      ...routed,
      ...(capacity && { capacity }),
    };
  };
  const publicStatus = (): GatewayStatus =>
    deps.joinStatus ? withoutAddresses(deps.joinStatus(status(true))) : status(false);

  // server: bytes of all requests and answers count against one budget
  const bodyBudget = createBodyBudget({ requests, listen, clock });
  const decompress = createDecompress();

  // access: layers in their order, before anything of a body is read; the last one is the authentication in force
  const crossSite = createCrossSite({ ...crossSiteDefaults, ...options.crossSite }, listen.host);

  // protocols: each only translates; the runner is the one way of a call
  const runner = createCallRunner({ ...deps, requests, layers: [crossSite.layer] });
  const limits = { maxBodyBytes: requests.maxBodyBytes, maxPictures: deps.maxPictures };
  const shutdown = new AbortController();
  const rpc = createRpcHandler({
    ...deps,
    requests,
    unnamedModel: listen.model,
    status: publicStatus,
    refreshStatus: async () => deps.capacity?.refresh(),
    readiness,
    runner,
    bodyBudget,
    decompress,
    shutdownSignal: shutdown.signal,
  });
  const routes = [
    ...restRoutes({ limits, clock }),
    ...tensorflowServingRoutes(limits),
    ...openInferenceRoutes({
      maxBodyBytes: requests.maxBodyBytes,
      version,
      readiness,
      status: publicStatus,
      statistics: deps.statistics,
      clock,
    }),
    ...healthRoutes(readiness),
    ...openapiRoutes(version),
    ...consoleRoutes(deps.console ?? new Map()),
    ...(outages ? outageRoutes(outages) : []),
  ];
  const paths = routes.map(({ path }) => path);
  const onRequest = createHttpHandler({
    routes,
    unrouted: (exchange, allowed, requestId) =>
      unroutedServingAnswer(exchange) ??
      unroutedInferenceAnswer(
        { method: exchange.method, path: exchange.path, requestId },
        allowed,
      ) ??
      noRoute(
        {
          method: exchange.method,
          path: exchange.path,
          meant: meantPath(exchange.path, paths),
          requestId,
        },
        allowed,
      ),
    errorBody: problemBody,
    rpc,
    runner,
    crossSite,
    bodyBudget,
    decompress,
  });

  const reportRejected = createRejectionReports(deps.onRejectedConnections, clock);
  const server = createListener({
    listen,
    requests,
    budget: bodyBudget,
    onRequest,
    onCertificates: deps.onCertificates,
    onRejected: (reason) => {
      deps.onRejected(reason);
      reportRejected(reason);
    },
    isPortShared: deps.isPortShared,
    clock,
  });

  let { port } = listen;
  const host = listen.host.includes(":") ? `[${listen.host}]` : listen.host;

  return {
    get port() {
      return port;
    },
    get url() {
      return `${listen.tls ? "https" : "http"}://${host}:${port}`;
    },
    load: () => ({
      connections: server.connectionCount,
      waitingConnections: server.waitingCount,
      bytesInFlight: bodyBudget.bytesInFlight,
    }),
    listen: async () => {
      ({ port } = await server.listen());
    },
    status: (showsAddresses) => {
      void deps.capacity?.refresh();
      return status(showsAddresses);
    },
    close: async (
      graceMs = defaultGraceMs,
      drainDelayMs = graceMs > 0 ? listen.drainDelayMs : 0,
    ) => {
      isClosing = true;
      deps.capacity?.close();
      if (drainDelayMs > 0) await server.drain(drainDelayMs);
      shutdown.abort();
      await server.close(graceMs);
    },
  };
}

/** Leaves out what only operators see. */
function withoutAddresses(status: GatewayStatus): GatewayStatus {
  const regions = status.regions.map((region) => ({
    ...region,
    pools: region.pools.map((pool) => ({
      ...pool,
      replicas: pool.replicas.map(({ address: _address, lastProbe: _probe, ...each }) => each),
    })),
  }));
  return { ...status, regions };
}
