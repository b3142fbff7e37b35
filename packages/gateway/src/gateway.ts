import { metrics, trace } from "@opentelemetry/api";
import {
  type GatewayStatus,
  guardedCallback,
  keptWithin,
  type ModelSpec,
  type ScoreResolved,
  type ScoreResponse,
} from "@tensorgate/core";
import { decoderDefaults, decoderPool } from "@tensorgate/imaging";
import { type AccessOptions, reloadFaults } from "./config/access.ts";
import { changedSections } from "./config/changed-sections.ts";
import { ConfigError } from "./config/config-error.ts";
import type { GatewayOptions } from "./config/gateway-options.ts";
import { checkedOptions } from "./config/parse-config.ts";
import { createDevices } from "./devices/devices.ts";
import type { Gateway, GatewayParts } from "./gateway-api.ts";
import { hostCallbacks } from "./host-callbacks.ts";
import { createAuthentication } from "./inbound/access/authentication.ts";
import { createInbound } from "./inbound/inbound.ts";
import { crossSiteDefaults, listenDefaults, requestDefaults } from "./inbound/options.ts";
import { withPlugs } from "./inbound/protocols/rest/plug-routes.ts";
import type { AskModel, InForce, Tasks } from "./inbound/protocols/tasks.ts";
import { createRejectionReports } from "./inbound/server/listener/connections.ts";
import { modelCatalog } from "./models/catalog.ts";
import { createClassifier } from "./models/classify.ts";
import { createDetector } from "./models/detect.ts";
import { createEmbedder } from "./models/embed.ts";
import { createGoldenAsker } from "./models/golden-answer.ts";
import { pictureDefaults } from "./models/options.ts";
import { createPicturePreparer } from "./models/prepare-picture.ts";
import { createSnapshot, type Snapshot } from "./models/snapshot.ts";
import { cacheDefaults } from "./pipeline/options.ts";
import { responseCache } from "./pipeline/response-cache.ts";
import { createConditions } from "./routing/condition.ts";
import { routingDefaults } from "./routing/options.ts";
import { createRouter } from "./routing/router.ts";
import { createReplicaAliases } from "./routing/routing-trace.ts";
import type { StateChange } from "./routing/scheduler/events.ts";
import { schedulerSettings } from "./routing/settings.ts";
import {
  canServeAll,
  gatewayStatus,
  isReadyAt,
  readinessOf,
  readyCount,
  replicaCounts,
} from "./routing/status.ts";
import { systemClockAndRandom } from "./system-clock.ts";
import { createInstruments } from "./telemetry/instruments.ts";
import { createCallObserver } from "./telemetry/telemetry.ts";
import { createModelDiscovery } from "./upstream/model-discovery.ts";
import type { Replica } from "./upstream/replica.ts";
import { createReplicas } from "./upstream/replicas.ts";
import { testPicture } from "./upstream/test-picture.ts";
import { version } from "./version.ts";

/**
 * Builds a gateway: the whole way of a request, from the socket to a replica and back.
 * This is the only file that knows more than one stage, and all it does is compose.
 *
 * @throws ConfigError with every fault of `options`
 * @throws SettingError if a file or an environment variable that it names cannot be used
 */
export function createGateway(options: GatewayOptions, parts: GatewayParts = {}): Gateway {
  const { region = "local", ...settings } = checkedOptions(options);
  const { clock, random } = parts.clockAndRandom ?? systemClockAndRandom;
  const listen = { ...listenDefaults, ...settings.listen };
  const requests = { ...requestDefaults, ...settings.requests };
  const probing = { ...routingDefaults, ...settings.routing };
  const host = hostCallbacks(parts);
  const { onInternalError } = host;
  const builtMs = clock.nowMs();
  const meter = (parts.meterProvider ?? metrics).getMeter("tensorgate", version);
  const instruments = createInstruments(meter);

  // what a reload swaps, whole: each call resolves its model there once, and keeps what it got
  let current = inForce(settings);
  let access: AccessOptions = settings;
  const resolve = (modelSpec: ModelSpec) => current.snapshot.resolve(modelSpec);

  // upstream: every replica, and which versions of its models it has
  const upstream = createReplicas(settings.pools, {
    options: settings.upstream ?? {},
    clock,
    random,
  });
  const discovery = createModelDiscovery(upstream, { timeoutMs: probing.probeTimeoutMs, clock });

  // routing: which region and which replica, when, and another one when that fails
  const aliasOf = createReplicaAliases();
  const countChange = guardedCallback(
    ({ model, region: of, to }: StateChange) =>
      instruments.replicaChanges.add(1, { model, region: of, to }),
    host.onTelemetryFailure,
  );
  const readyConditions = createConditions();
  const routed = createRouter({
    settings: schedulerSettings(settings.routing ?? {}, { ownRegion: region }),
    pools: upstream.pools,
    probe: discovery.probe,
    versionOf: (answer) => (answer as ScoreResponse).model.version,
    factsOf: (model, id) => {
      // Its last call may have ended just now, and it may be gone with it.
      const replica = upstream.find(id);
      return {
        roundTripMs: replica?.roundTripMs(),
        expectedWaitMs: replica?.expectedWaitMs?.(model),
      };
    },
    onChange: (change) => {
      if (change.to !== "ready") upstream.refresh(change.replicaId);
      readyConditions.notify();
      countChange(change);
      host.onReplica({ ...change, alias: aliasOf(change.region, change.replicaId) });
    },
    devicesOf: (model, residency) => onDevices.devicesOf(model, residency),
    ...{ aliasOf, clock },
  });
  upstream.onChange(() => {
    routed.setPools(upstream.pools);
    onDevices.keepOut();
    readyConditions.notify();
  });

  // models: scored there
  const live = (model: string, residency: readonly string[] | undefined) => ({
    versions: discovery.versionsOf(model, residency),
    regions: routed.regionsOf(model),
    signature: discovery.signatureOf(model),
    isSeeded: discovery.isSeeded(model),
  });

  // pipeline: what was answered before is not asked again, where the model says so
  const cache = responseCache({
    options: { ...cacheDefaults, ...settings.cache },
    expectedVersion: ({ modelSpec }, call) => routed.expectedVersion(modelSpec, call),
    clock,
  });
  const scoreOnce = cache.layer(async (request, call) => {
    const done = await routed.dispatch(request, call, (id, attempt) =>
      upstream.get(id).score(request, attempt),
    );
    return { ...done.answer, region: done.region };
  });
  const scoreResolved: ScoreResolved = (request, call) =>
    scoreOnce(request, keptWithin(call, request.model.residency));
  const pictures = { ...pictureDefaults, ...settings.pictures };
  const decoding = { ...decoderDefaults, ...settings.decoding };
  const decoders = decoderPool({
    options: decoding,
    clock,
    onStartFailure: (error) => onInternalError(error, "decoder"),
  });
  const pictureTask = {
    resolve,
    score: scoreResolved,
    prepare: createPicturePreparer({ ...decoders, options: pictures, clock }),
    options: pictures,
  };
  const onDevices = createDevices({
    replicas: upstream,
    rotation: {
      ...{ drain: routed.drain, readmit: routed.readmit },
      isReady: (model, id) => isReadyAt(routed.status(), model, id),
      readyCount: (model, except) => readyCount(routed.status(), model, except),
    },
    askGolden: createGoldenAsker(pictureTask, clock),
    testPicture,
    ...{ aliasOf, clock },
  });
  const tasksOf = (snapshot: Snapshot): Tasks => {
    const parts = { ...pictureTask, resolve: snapshot.resolve };
    const ask =
      <Answer>(question: (replica: Replica) => AskModel<Answer>): AskModel<Answer> =>
      async (spec, call) => {
        const { residency } = snapshot.resolve(spec);
        return routed.ask(spec, keptWithin(call, residency), (id, attempt) =>
          question(upstream.get(id))(spec, attempt),
        );
      };
    return {
      classify: createClassifier(parts, clock),
      detect: createDetector(parts, clock),
      embed: createEmbedder(parts),
      score: async (request, call) =>
        scoreResolved({ ...request, model: snapshot.resolve(request.modelSpec) }, call),
      modelStatus: ask((replica) => replica.modelStatus),
      modelMetadata: ask((replica) => replica.modelMetadata),
      catalog: modelCatalog(() => snapshot, live),
    };
  };
  let served: InForce = { authenticate: current.authenticate, tasks: tasksOf(current.snapshot) };

  // inbound: every protocol on one port
  let isClosing = false;
  const readiness = () => readinessOf(routed.status(), { isClosing });
  const load = () => ({
    connections: inbound.connectionCount,
    bytesInFlight: inbound.bytesInFlight,
    decoders: decoders.processIds,
  });
  const watchCall = createCallObserver({
    instruments,
    tracer: (parts.tracerProvider ?? trace).getTracer("tensorgate", version),
    isKnownModel: (name) => current.snapshot.has(name),
    onCall: host.onCall,
    onFailure: host.onTelemetryFailure,
    clock,
  });
  const status = (showsAddresses: boolean): GatewayStatus => {
    const view = { ownRegion: region, aliasOf, showsAddresses };
    const { regions, retriesLeft } = gatewayStatus(routed.status(), view);
    const uptimeMs = clock.nowMs() - builtMs;
    return { version, region, uptimeMs, regions: withPlugs(regions, parts.plugs), retriesLeft };
  };
  const reportRejected = createRejectionReports(host.onRejectedConnections, clock);
  const inbound = createInbound({
    listen,
    requests,
    crossSite: { ...crossSiteDefaults, ...settings.crossSite },
    maxPictures: pictures.maxPictures,
    inForce: () => served,
    status: () => status(false),
    readiness,
    version,
    console: parts.console ?? new Map(),
    plugs: parts.plugs,
    watchCall,
    onInternalError,
    onCertificates: host.onCertificates,
    onRejected: (reason) => {
      instruments.rejectedConnections.add(1, { reason });
      reportRejected(reason);
    },
    clock,
  });
  instruments.observe({
    connections: () => load().connections,
    bytesInFlight: () => load().bytesInFlight,
    decodeQueue: () => decoders.waitingCount,
    cacheBytes: () => cache.byteCount,
    cacheEntries: () => cache.entryCount,
    replicas: () => replicaCounts(routed.status()),
    waiting: () => routed.status().pools,
  });
  let port = listen.port;

  return {
    get port() {
      return port;
    },
    get url() {
      return `${listen.tls ? "https" : "http"}://${listen.host.includes(":") ? `[${listen.host}]` : listen.host}:${port}`;
    },
    listen: async () => {
      ({ port } = await inbound.listen());
      if (current.snapshot.all().some(({ picture }) => picture?.preprocessing)) decoders.warm();
    },
    devices: onDevices,
    load,
    status: () => status(true),
    reload: (changed) => {
      const checked = checkedOptions(changed);
      const faults = [...reloadFaults(access, checked)];
      if (faults.length > 0) throw new ConfigError("the configuration", faults);
      const next = inForce(checked);
      // Whatever can fail has failed by now, or does here: then nothing has changed.
      upstream.replace(checked.pools);
      current = next;
      served = { authenticate: next.authenticate, tasks: tasksOf(next.snapshot) };
      const { keys, allowPlaintextKeys } = checked;
      access = { ...access, keys, allowPlaintextKeys };
      routed.setPools(upstream.pools);
      return { needRestart: changedSections(options, changed) };
    },
    ready: () => readyConditions.waitUntil(() => canServeAll(routed.status(), onDevices.isDevice)),
    close: async (
      graceMs = defaultGraceMs,
      drainDelayMs = graceMs > 0 ? listen.drainDelayMs : 0,
    ) => {
      isClosing = true;
      if (drainDelayMs > 0) await inbound.drain(drainDelayMs);
      await inbound.close(graceMs);
      onDevices.close();
      routed.close();
      upstream.close();
      await decoders.close();
    },
  };
}

/** What a reload swaps: what models and pools mean, and who may call. */
function inForce({ models, pools, keys, allowPlaintextKeys }: GatewayOptions) {
  return {
    snapshot: createSnapshot({ models, pools }),
    authenticate: createAuthentication({
      keys: keys ?? [],
      allowPlaintextKeys: allowPlaintextKeys ?? false,
    }),
  };
}

/** How long `close` waits for what is in flight, in milliseconds. */
const defaultGraceMs = 10_000;
