import { join } from "node:path";
import type { GatewayStatus } from "@tensorgate/core";
import { type GatewayOptions, type WorkerPlace, workerShare } from "@tensorgate/gateway";
import type { Service } from "../../service/service.ts";
import {
  folderVariable,
  placeVariable,
  portVariable,
  sharingVariables,
  type WorkerCommand,
  type WorkerReport,
} from "./messages.ts";
import { joinedStatus } from "./worker-status.ts";

/** A worker: a process that serves a part of the calls, for the process that started it. */
export interface Worker {
  /** Resolves to the configuration of all that this worker starts with. */
  readonly configured: Promise<GatewayOptions>;
  /** @returns the configuration of all that is in force now, which may be another than the file has */
  inForce(): GatewayOptions;
  /** @returns what this worker has of the configuration of all. @throws SettingError if it cannot be divided */
  shareOf(options: GatewayOptions): GatewayOptions;
  /** Returns the service with the commands of the first process as further reasons to reload and to stop. */
  serviceOf(service: Service): Service;
  /** Adds the last that is known of the other workers. */
  joinStatus(own: GatewayStatus): GatewayStatus;
  report(report: WorkerReport): void;
}

/** @returns undefined in a process that is no worker */
export function thisWorker(host: NodeJS.Process = process): Worker | undefined {
  const { env } = host;
  const [, number, count] = /^(\d+)\/(\d+)$/.exec(env[placeVariable] ?? "") ?? [];
  if (host.send === undefined || number === undefined) return undefined;
  const { [folderVariable]: folder = ".", [portVariable]: port } = env;
  const place: WorkerPlace = {
    number: Number(number),
    count: Number(count),
    sharing: {
      address: { env: sharingVariables.address },
      host: "127.0.0.1",
      secret: { env: sharingVariables.secret },
      lease: { file: join(folder, "owner") },
    },
  };
  let others: readonly GatewayStatus[] = [];
  const configured = Promise.withResolvers<GatewayOptions>();
  let inForce: GatewayOptions | undefined;

  function serviceOf(service: Service): Service {
    const told = Promise.withResolvers<NodeJS.Signals>();
    let reload: (() => void) | undefined;
    let isOutdated = false;
    host.on("message", (command: WorkerCommand) => {
      switch (command.type) {
        case "configuration":
          // One that comes while this worker starts is applied when it serves.
          isOutdated = inForce !== undefined;
          inForce = command.options;
          configured.resolve(inForce);
          reload?.();
          break;
        case "others":
          others = command.statuses;
          break;
        case "stop":
          told.resolve(command.signal);
      }
    });
    // The first process has ended, and with it what replaces workers.
    host.once("disconnect", () => told.resolve("SIGTERM"));
    return {
      ...service,
      stopped: Promise.race([service.stopped, told.promise]),
      announce: () => {},
      // A terminal sends SIGHUP to every process, and the first one passes it on.
      onHangup: (listener) => {
        service.onHangup(() => {});
        reload = listener;
        if (isOutdated) listener();
      },
    };
  }

  return {
    configured: configured.promise,
    inForce: () => {
      if (!inForce) throw new Error("the first process has not said how to serve");
      return inForce;
    },
    shareOf: (options) => {
      const { rollouts, listen, ...rest } = workerShare(options, place);
      return {
        ...rest,
        listen: { ...listen, ...(port !== undefined && { port: Number(port) }) },
        // Rollouts begin at one worker, and the others follow.
        rollouts: { file: join(folder, "rollouts.json"), ...rollouts },
      };
    },
    serviceOf,
    joinStatus: (own) => joinedStatus([own, ...others]),
    report: (report) => void host.send?.(report),
  };
}
