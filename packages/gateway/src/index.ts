export { ConfigError, type ConfigFault } from "./config/config-error.ts";
export type { GatewayOptions, PoolOptions } from "./config/gateway-options.ts";
export { configJsonSchema, parseConfig } from "./config/parse-config.ts";
export { createGateway, type Gateway, type GatewayLoad, type GatewayParts } from "./gateway.ts";
export type { ConsoleFile, ConsoleFiles } from "./inbound/console-rest.ts";
export { CertificateError, type CertificateNews } from "./inbound/listener/tls-door.ts";
export type { ModelOptions } from "./models/options.ts";
export { systemClockAndRandom } from "./system-clock.ts";
export { version } from "./version.ts";
