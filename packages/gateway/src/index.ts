export { ConfigError, type ConfigFault } from "./config/config-error.ts";
export { configJsonSchema } from "./config/config-schema.ts";
export type { GatewayOptions, PoolOptions } from "./config/gateway-options.ts";
export { type ConfigReading, parseConfig, readConfigText } from "./config/parse-config.ts";
export { credentialFaults } from "./credential-faults.ts";
export type { DeviceReport, SwapProgress, SwapReport } from "./devices/device.ts";
export type { Devices, StartedSwap } from "./devices/devices.ts";
export {
  type GoldenPicture,
  SwapRefusedError,
  type SwapRequest,
  swapDefaults,
  swapRequestFromJson,
} from "./devices/swap-request.ts";
export { createGateway } from "./gateway.ts";
export type { Gateway, GatewayDeps, GatewayLoad, ReplicaChange } from "./gateway-api.ts";
export type { SimulatedOutages } from "./inbound/protocols/rest/outage-routes.ts";
export type { ConsoleFile, ConsoleFiles } from "./inbound/protocols/rest/public-routes.ts";
export { connectErrorFrom } from "./inbound/protocols/rpc/errors.ts";
export { type WireStatus, wireStatusOf } from "./inbound/protocols/wire-status.ts";
export { sniffHttpVersion } from "./inbound/server/listener/first-bytes.ts";
export type { RejectedConnections } from "./inbound/server/listener/rejections.ts";
export type { CertificateNews } from "./inbound/server/listener/tls-acceptor.ts";
export {
  type ModelManifest,
  modelOptionsFromManifest,
  parseModelManifest,
} from "./manifests/manifest-options.ts";
export {
  type WatchedManifests,
  type WatchManifestsDeps,
  watchManifests,
} from "./manifests/watch-manifests.ts";
export { headFault } from "./models/heads/head-fault.ts";
export type { ResizeOptions } from "./models/input-options.ts";
export type { ModelOptions } from "./models/options.ts";
export { readRegularFile } from "./regular-file.ts";
export {
  planDefaults,
  RolloutRefusedError,
  type RolloutRequest,
  rolloutRequestFromJson,
  type ShadowRequest,
  shadowRequestFromJson,
} from "./rollout/rollout-request.ts";
export type { RolloutReport, Rollouts } from "./rollout/rollouts.ts";
export type { ShadowReport } from "./rollout/shadow.ts";
export { systemClockAndRandom } from "./system-clock.ts";
export type { CallRecord } from "./telemetry/call-record.ts";
export {
  type BackendCapabilities,
  type BackendRequest,
  inspectBackend,
} from "./upstream/inspect-backend.ts";
export { type ManifestRequest, readManifest } from "./upstream/read-manifest.ts";
export { testPicture } from "./upstream/sample-input.ts";
export { version } from "./version.ts";
export { type WorkerPlace, workerShare } from "./worker-share.ts";
