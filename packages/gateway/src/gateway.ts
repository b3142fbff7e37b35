import type { GatewayOptions } from "./config/gateway-options.ts";
import { checkedOptions } from "./config/parse-config.ts";
import { createReloadable } from "./config/reload.ts";
import { createDeviceRegistry } from "./devices/device-registry.ts";
import { createDevices } from "./devices/devices.ts";
import type { Gateway, GatewayDeps } from "./gateway-api.ts";
import { hostCallbacks } from "./host-callbacks.ts";
import { createInbound } from "./inbound/inbound.ts";
import { meaningOf } from "./meaning.ts";
import { createModels } from "./models/models.ts";
import { createResponseCache } from "./pipeline/response-cache.ts";
import { createRollouts } from "./rollout/rollouts.ts";
import { routingDefaults } from "./routing/options.ts";
import { createRouting } from "./routing/routing.ts";
import { createReplicaAliases } from "./routing/routing-trace.ts";
import { systemClockAndRandom } from "./system-clock.ts";
import { createTelemetry } from "./telemetry/telemetry.ts";
import { createModelDiscovery } from "./upstream/model-discovery.ts";
import { createReplicas } from "./upstream/replicas.ts";
import { testPicture } from "./upstream/test-picture.ts";
import { version } from "./version.ts";

/**
 * Builds a gateway: `inbound` → `models` → `pipeline` → `routing` → `upstream`, the way of a request from the socket to
 * a replica. Each stage is handed the next one, so the list begins at the replicas. All that this file does is compose.
 *
 * @throws ConfigError with every fault of `options`; SettingError if a file or variable that it names cannot be used
 */
export function createGateway(options: GatewayOptions, deps: GatewayDeps = {}): Gateway {
  const { region = "local", ...settings } = checkedOptions(options);
  const { clock, random } = deps.clockAndRandom ?? systemClockAndRandom;
  const host = hostCallbacks(deps);
  // what the configuration means: an unusable file or variable ends it before anything is opened
  const first = meaningOf(settings);
  // telemetry: observes, and decides nothing
  const telemetry = createTelemetry({ ...deps, ...host, version, clock });
  // upstream: every replica, how it is spoken to, and which versions of its models it has
  const upstream = createReplicas(settings.pools, { options: settings.upstream, clock, random });
  const discovery = createModelDiscovery(upstream, {
    timeoutMs: { ...routingDefaults, ...settings.routing }.probeTimeoutMs,
    verify: (replica) => models.golden(inForce.current.snapshot, replica),
    clock,
  });

  const aliasOf = createReplicaAliases();
  const registry = createDeviceRegistry({ replicas: upstream, aliasOf, clock });

  // routing: picks a region and a replica, when one is free, and another one when it fails
  const routing = createRouting({
    options: settings.routing,
    ownRegion: region,
    replicas: upstream,
    devices: registry,
    probe: discovery.probe,
    onChange: (change) => {
      telemetry.countReplicaChange(change);
      host.onReplica({ ...change, alias: aliasOf(change.region, change.replicaId) });
    },
    aliasOf,
    clock,
  });

  // pipeline: does not ask again what a model has answered, where the model says so
  const { expectedVersion, assertCapacity, hasQueue } = routing;
  const cache = createResponseCache({ options: settings.cache, expectedVersion, clock });

  // models: turns pictures into tensors, and scores into labels, boxes or features
  const models = createModels({
    options: settings,
    score: routing.score,
    cachedScore: cache.layer(routing.score),
    assertCapacity,
    modelStatus: routing.ask((replica) => replica.modelStatus),
    modelMetadata: routing.ask((replica) => replica.modelMetadata),
    reported: discovery.reported,
    regionsOf: routing.regionsOf,
    onDecoderFailure: (error) => host.onInternalError(error, "decoder"),
    clock,
  });

  // rollout: chooses the version of a call, and asks another one after the answer
  const rollouts = createRollouts({
    options: settings.rollouts,
    inForce: () => inForce.current,
    hasQueue,
    onFailure: (error) => host.onInternalError(error, "rollouts"),
    clock,
    random,
  });

  // what is in force: a call takes it once, a reload swaps it whole
  const inForce = createReloadable({
    options,
    checked: settings,
    first: models.withTasks(first, rollouts.around),
    build: (checked) => models.withTasks(meaningOf(checked), rollouts.around),
    replacePools: upstream.replace,
  });

  // devices: makes replicas that hold one model at a time hold another one
  const devices = createDevices({
    registry,
    replicas: upstream,
    rotation: routing.rotation,
    runSmokeTest: models.smokeTest((modelSpec) => inForce.current.snapshot.resolve(modelSpec)),
    testPicture,
    aliasOf,
    clock,
  });

  // inbound: bytes become calls and results bytes, every protocol on one port
  const inbound = createInbound({
    ...host,
    options: settings,
    region,
    maxPictures: models.maxPictures,
    inForce,
    status: routing.status,
    readiness: routing.readiness,
    version,
    observeCall: telemetry.observeCalls((name) => inForce.current.snapshot.has(name)),
    onRejected: telemetry.countRejectedConnection,
    clock,
  });
  telemetry.observe({ inbound, models, cache, routing });
  return {
    get port() {
      return inbound.port;
    },
    get url() {
      return inbound.url;
    },
    listen: async () => {
      await inbound.listen();
      models.warm(inForce.current.snapshot);
    },
    devices,
    rollouts,
    load: () => ({ ...inbound.load(), decoders: models.decoderIds }),
    status: () => inbound.status(true),
    reload: inForce.reload,
    ready: routing.ready,
    close: async (graceMs, drainDelayMs) => {
      await inbound.close(graceMs, drainDelayMs);
      for (const stage of [devices, rollouts, routing, upstream]) stage.close();
      await models.close();
    },
  };
}
