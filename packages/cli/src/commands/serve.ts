import type { GatewayOptions } from "@tensorgate/gateway";
import { openLog } from "../telemetry/log.ts";
import { startWatchedGateway } from "../telemetry/watched-gateway.ts";
import { untilStopped } from "../until-stopped.ts";
import { readConfig } from "./config.ts";

export interface ServeOptions {
  readonly config: string;
  readonly host?: string;
  readonly port?: number;
  readonly adminHost: string;
  readonly adminPort: number;
  readonly region?: string;
}

/** Runs a gateway until it is stopped. */
export async function runServe(serve: ServeOptions): Promise<void> {
  const { config, host, port, adminHost, adminPort, region } = serve;
  const log = openLog();
  const file = readConfig(config);
  const options: GatewayOptions = {
    ...file,
    ...(region && { region }),
    listen: { ...file.listen, ...(host && { host }), ...(port !== undefined && { port }) },
  };
  const stopped = untilStopped();
  const admin = { host: adminHost, port: adminPort };
  const running = await startWatchedGateway({ options, admin, isAdminNeeded: true, log });
  process.stdout.write(`ready: ${running.gateway.url}\nmetrics: ${running.adminUrl}/metrics\n`);
  await stopped;
  log.note("stopping: finishing what is in flight");
  await running.close();
}
