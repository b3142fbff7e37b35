import { isDeepStrictEqual } from "node:util";
import type { Gateway, GatewayOptions } from "@tensorgate/gateway";
import type { Log } from "../telemetry/log.ts";
import { configChanges } from "./config-changes.ts";

export interface ConfigReloadDeps {
  /** Name of the configuration, for messages. */
  readonly file: string;
  /** Reads it. Throws where it has faults, with all of them in the message. */
  readonly read: () => GatewayOptions;
  readonly gateway: Pick<Gateway, "reload">;
  /** What the gateway was built with. */
  readonly initial: GatewayOptions;
  readonly log: Pick<Log, "info" | "warn">;
}

/** Takes a configuration anew. */
export interface ConfigReload {
  /** Whatever is wrong with it is told, and what is in force stays. Never throws. */
  now(): void;
  /** The same, silent where there is no news: folders change for many a reason. */
  ifChanged(): void;
}

/**
 * A file that is cut short while it is written may lose its keys, and is well formed all the same: a change that was
 * only noticed does not open a gateway, which may be behind a proxy.
 *
 * @throws Error if `next` has no keys any more
 */
function assertKeysStay(inForce: GatewayOptions, next: GatewayOptions): void {
  if (!inForce.keys?.length || next.keys?.length) return;
  throw new Error("all keys were removed; send SIGHUP to accept calls without a key");
}

export function createConfigReload({
  file,
  read,
  gateway,
  initial,
  log,
}: ConfigReloadDeps): ConfigReload {
  let inForce = initial;
  /** What was wrong with it last. */
  let complaint: string | undefined;

  function take(isAsked: boolean): void {
    try {
      const next = read();
      const isSame = isDeepStrictEqual(inForce, next);
      const wasWrong = complaint !== undefined;
      if (isSame && !isAsked && !wasWrong) return;
      if (!isAsked) assertKeysStay(inForce, next);
      // The same text may name other keys and certificates by now.
      const { needRestart } = gateway.reload(next);
      const changes = configChanges(inForce, next);
      inForce = next;
      complaint = undefined;
      log.info(
        `configuration reloaded from ${file}: ${changes.join(", ") || "no model, pool or key changed"}`,
      );
      if (needRestart.length > 0) {
        log.warn(`restart to apply the changes of ${needRestart.join(", ")} in ${file}`);
      }
    } catch (thrown) {
      const message = thrown instanceof Error ? thrown.message : String(thrown);
      if (message === complaint && !isAsked) return;
      complaint = message;
      log.warn(`configuration rejected, keeping the previous one: ${message}`);
    }
  }

  return { now: () => take(true), ifChanged: () => take(false) };
}
