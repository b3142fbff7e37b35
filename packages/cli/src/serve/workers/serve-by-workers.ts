import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  ConfigError,
  credentialFaults,
  type GatewayOptions,
  systemClockAndRandom,
  workerShare,
} from "@tensorgate/gateway";
import { CommandError, explainedListenError } from "../../command-error.ts";
import type { Service } from "../../service/service.ts";
import { type AdminRoute, startAdminServer } from "../../telemetry/admin-server.ts";
import type { AdminAddress } from "../../telemetry/run-gateway.ts";
import { createConfigReload } from "../config-reload.ts";
import { reloadOnChange } from "../config-watch.ts";
import { forwardToWorker, tellStatuses, workerRoutes } from "./worker-admin.ts";
import { createWorkerPool } from "./worker-pool.ts";
import { startWorkerProcess } from "./worker-process.ts";

export interface WorkersOptions {
  readonly count: number;
  /** Configuration file, for messages and to watch it. */
  readonly file: string;
  readonly initial: GatewayOptions;
  /** Reads the file again. Throws with all of its faults. */
  readonly read: () => GatewayOptions;
  readonly admin: AdminAddress;
  /** Further routes of the admin port, which this process answers itself. */
  readonly adminRoutes: readonly AdminRoute[];
  readonly isWatched: boolean;
}

/**
 * Serves one configuration by several processes that share the port, until a signal. This process has the admin port,
 * reloads, and replaces workers that end; it handles no call.
 *
 * @throws SettingError if the configuration cannot be divided
 * @throws CommandError if a port is in use
 */
export async function serveByWorkers(
  { count, file, initial, read, admin, adminRoutes, isWatched }: WorkersOptions,
  { log, stopped, announce, onHangup }: Service,
): Promise<void> {
  if (!sharesPorts.has(process.platform)) {
    throw new CommandError(
      `several workers cannot share a port on ${process.platform}; set --workers 1, and start more gateways behind a proxy`,
    );
  }
  workerShare(initial, { number: 1, count });
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-workers-"));
  using _folder = { [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
  const secret = randomBytes(32).toString("base64url");
  const ports = await freePorts(count);
  // A worker that is replaced serves what the others serve, whatever the file has become meanwhile.
  let inForce = initial;
  const { clock } = systemClockAndRandom;
  const pool = createWorkerPool({
    ...systemClockAndRandom,
    count,
    start: (number, port) => {
      const address = `127.0.0.1:${ports[number - 1]}`;
      const worker = startWorkerProcess({ number, count, port, address, secret, folder });
      worker.tell({ type: "configuration", options: inForce });
      return worker;
    },
    log,
  });
  const adminServer = await startAdminServer(
    admin,
    [...workerRoutes(pool, clock), ...adminRoutes],
    (call) => forwardToWorker(pool, call),
  ).catch((thrown: unknown) => {
    throw explainedListenError(thrown, admin, "--admin-port");
  });
  await using _admin = { [Symbol.asyncDispose]: adminServer.close };
  await assertPortIsFree(initial);
  const stop = (signal: NodeJS.Signals) => pool.stop(signal, stopMsOf(inForce));
  await using _workers = { [Symbol.asyncDispose]: () => stop("SIGTERM") };
  const { url } = await pool.start();
  using _telling = tellStatuses(pool, clock);
  const gateway = {
    reload: (options: GatewayOptions) => {
      workerShare(options, { number: 1, count });
      assertCredentials(file, options);
      inForce = options;
      pool.tellAll({ type: "configuration", options });
      // The workers report what needs a restart.
      return { needRestart: [] };
    },
  };
  const reload = createConfigReload({ file, read, gateway, initial, log });
  onHangup(reload.now);
  using _watching = isWatched ? reloadOnChange(file, { reload, log, clock }) : undefined;
  announce(`ready: ${url} (${count} workers)\nmetrics: ${adminServer.url}/metrics\n`);
  const signal = await stopped;
  log.info("stopping: draining calls in flight");
  await stop(signal);
}

/** Longest that a worker drains after its delay, and its last metrics take: what is open after 10 s is cut. */
const maxDrainMs = 12_000;

const stopMsOf = ({ listen }: GatewayOptions) => (listen?.drainDelayMs ?? 0) + maxDrainMs;

/**
 * Looks at the files of keys and certificates, which the workers read: one that is replaced later needs them as well.
 *
 * @throws ConfigError with all faults
 */
function assertCredentials(file: string, options: GatewayOptions): void {
  const faults = credentialFaults(options);
  if (faults.length > 0) {
    throw new ConfigError(
      file,
      faults.map((message) => ({ path: "", message })),
    );
  }
}

/** Systems with SO_REUSEPORT as workers need it: connections are distributed among those that listen. */
const sharesPorts: ReadonlySet<NodeJS.Platform> = new Set(["linux", "freebsd", "aix", "sunos"]);

/**
 * Binds the port once as its only owner: workers would share it with those of another command without a word.
 *
 * @throws CommandError if it is in use
 */
async function assertPortIsFree({ listen = {} }: GatewayOptions): Promise<void> {
  const { host = "127.0.0.1", port = 8_080 } = listen;
  await using _bound = await boundPort({ host, port });
}

/** Finds ports for what the workers send each other. All are bound at the same time, so that they differ. */
async function freePorts(count: number): Promise<readonly number[]> {
  const address = { host: "127.0.0.1", port: 0 };
  const bound = await Promise.all(Array.from({ length: count }, () => boundPort(address)));
  await Promise.all(bound.map((each) => each[Symbol.asyncDispose]()));
  return bound.map(({ port }) => port);
}

/** Binds a port until it is disposed of. @throws CommandError if that is not possible */
async function boundPort(address: {
  readonly host: string;
  readonly port: number;
}): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(explainedListenError(error, address)));
    server.listen(address, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
