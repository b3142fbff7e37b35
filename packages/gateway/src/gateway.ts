import { createCapacity } from "./capacity/capacity.ts";
import type { GatewayOptions } from "./config/gateway-options.ts";
import { checkedOptions } from "./config/parse-config.ts";
import { createReloadable } from "./config/reload.ts";
import { createDeviceRegistry } from "./devices/device-registry.ts";
import { createDevices } from "./devices/devices.ts";
import { createDevicesByVersion } from "./devices/devices-by-version.ts";
import type { Gateway, GatewayDeps } from "./gateway-api.ts";
import { hostCallbacks } from "./host-callbacks.ts";
import { createInbound } from "./inbound/inbound.ts";
import { meaningOf } from "./meaning.ts";
import { createModels } from "./models/models.ts";
import { createPictures } from "./models/pictures.ts";
import { withOwnRegion } from "./node-region.ts";
import { createResponseCache } from "./pipeline/response-cache.ts";
import { createRollouts } from "./rollout/rollouts.ts";
import { createRouting } from "./routing/routing.ts";
import { createReplicaAliases } from "./routing/routing-trace.ts";
import { createSharing } from "./sharing/sharing.ts";
import { systemClockAndRandom } from "./system-clock.ts";
import { createTelemetry } from "./telemetry/telemetry.ts";
import { createModelDiscovery } from "./upstream/model-discovery.ts";
import { createReplicas } from "./upstream/replicas.ts";
import { testPicture } from "./upstream/sample-input.ts";
import { version } from "./version.ts";

/**
 * Builds a gateway, and only composes. Each stage is handed the next one on the way of a request, and nothing that is declared
 * later: so the list begins with what all stages share, and a request meets it from its end, `inbound`, upwards.
 *
 * @throws ConfigError with every fault of `options`; SettingError if a file or variable that it names cannot be used
 */
export function createGateway(options: GatewayOptions, deps: GatewayDeps = {}): Gateway {
  const { region, ...settings } = withOwnRegion(checkedOptions(options));
  const { clock, random } = deps.clockAndRandom ?? systemClockAndRandom;
  const host = hostCallbacks(deps);
  // config: a call takes what is in force once, and a reload swaps it whole, with all that is built of it
  const inForce = createReloadable({ options, checked: settings, meaningOf });
  // telemetry: observes, and decides nothing
  const telemetry = createTelemetry({ ...deps, ...host, version });

  // upstream: every replica, and how it is spoken to
  const upstream = createReplicas(settings, { ownRegion: region, clock, random });
  const aliasOf = createReplicaAliases();
  const registry = createDeviceRegistry({ replicas: upstream, aliasOf, clock });
  // models, the pictures: decoded in their own processes, also to test replicas with
  const pictures = createPictures({ options: settings, ...host, clock });

  // upstream, the models: which versions and signatures the replicas have, and whether they may get calls
  const discovery = createModelDiscovery(upstream, {
    verify: (replica) => pictures.golden(inForce.current.snapshot, replica),
    clock,
  });
  // sharing: agrees with other gateways on who gives the slots of the replicas, where there are any
  const sharing = settings.sharing && createSharing(settings.sharing, { ...host, clock, random });

  // routing: picks a region and a replica, when one is free, and another one when it fails
  const routing = createRouting({
    options: settings.routing,
    ownRegion: region,
    replicas: upstream,
    devices: registry,
    probe: discovery.probe,
    observers: [telemetry.countReplicaChange, host.onReplica],
    aliasOf,
    sharing,
    clock,
  });

  // pipeline: does not ask again what a model has answered, where the model says so
  const cache = createResponseCache({ ...routing, options: settings.cache, clock });

  // models: turns pictures into tensors, and scores into labels, boxes or features
  const models = createModels({
    ...routing,
    pictures,
    cachedScore: cache.layer(routing.score),
    modelStatus: routing.ask((replica) => replica.modelStatus),
    modelMetadata: routing.ask((replica) => replica.modelMetadata),
    reported: discovery.reported,
    clock,
  });

  // devices: makes replicas that hold one model at a time hold another one
  const devices = createDevices({
    registry,
    replicas: upstream,
    rotation: routing.rotation,
    runSmokeTest: pictures.smokeTest((modelSpec) => inForce.current.snapshot.resolve(modelSpec)),
    testPicture,
    aliasOf,
    clock,
  });

  // rollout: chooses the version of a call, and asks another one after the answer
  const rollouts = createRollouts({
    ...routing,
    options: settings.rollouts,
    inForce: inForce.derive((of) => ({ ...of, tasks: models.tasksOf(of.snapshot) })),
    devices: createDevicesByVersion(devices, upstream),
    onFailure: (error) => host.onInternalError(error, "rollouts"),
    clock,
    random,
  });

  // inbound: bytes become calls and results bytes, every protocol on one port
  const inbound = createInbound({
    ...host,
    ...routing,
    options: settings,
    region,
    maxPictures: pictures.options.maxPictures,
    inForce: rollouts.inForce,
    version,
    observeCall: telemetry.observeCalls(inForce),
    statistics: telemetry.statistics,
    capacity: settings.capacity && createCapacity(settings.capacity, { clock }),
    onRejected: telemetry.countRejectedConnection,
    isPortShared: deps.isPortShared ?? false,
    joinStatus: deps.joinStatus,
    clock,
  });
  telemetry.observe({ inbound, pictures, cache, routing });
  return {
    get port() {
      return inbound.port;
    },
    get url() {
      return inbound.url;
    },
    listen: async () => {
      await Promise.all([inbound.listen(), sharing?.start()]);
      pictures.warm(inForce.current.snapshot);
    },
    devices,
    rollouts,
    load: () => ({ ...inbound.load(), decoders: pictures.decoderIds }),
    status: () => inbound.status(true),
    reload: (changed) => inForce.reload(changed, upstream.replace),
    ready: routing.ready,
    close: async (graceMs, drainDelayMs) => {
      await Promise.all([sharing?.leave(), inbound.close(graceMs, drainDelayMs)]);
      for (const stage of [devices, rollouts, routing, upstream]) stage.close();
      await pictures.close();
    },
  };
}
