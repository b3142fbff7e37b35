import { isDeepStrictEqual } from "node:util";
import type { Gateway, GatewayOptions } from "@tensorgate/gateway";
import type { Log } from "../telemetry/log.ts";
import { configChanges } from "./config-changes.ts";

export interface ConfigReloadDeps {
  /** Name of the file, for messages. */
  readonly file: string;
  /** Reads the file. Throws with all of its faults. */
  readonly read: () => GatewayOptions;
  readonly gateway: Pick<Gateway, "reload">;
  /** Options that the gateway was created with. */
  readonly initial: GatewayOptions;
  readonly log: Pick<Log, "info" | "warn">;
}

/** Reloads the configuration. */
export interface ConfigReload {
  /** Reloads, and logs the result; an invalid configuration leaves the previous one active. Never throws. */
  now(): void;
  /** Reloads on a change of the file, and logs nothing if the content is the same. */
  ifChanged(): void;
}

/**
 * Rejects a change that removes all keys, unless SIGHUP requests it: a file that is partly written may lack its keys and
 * still be valid, and the gateway would accept every caller.
 *
 * @throws Error if all keys were removed
 */
function assertKeysStay(current: GatewayOptions, next: GatewayOptions): void {
  if (!current.keys?.length || next.keys?.length) return;
  throw new Error("all keys were removed; send SIGHUP to accept calls without a key");
}

export function createConfigReload({
  file,
  read,
  gateway,
  initial,
  log,
}: ConfigReloadDeps): ConfigReload {
  let current = initial;
  /** Message of the last rejected configuration. */
  let lastFault: string | undefined;

  function reload(isForced: boolean): void {
    try {
      const next = read();
      const isSame = isDeepStrictEqual(current, next);
      const wasWrong = lastFault !== undefined;
      if (isSame && !isForced && !wasWrong) return;
      if (!isForced) assertKeysStay(current, next);
      // Even the same text may name files with other keys and certificates.
      const { needRestart } = gateway.reload(next);
      const changes = configChanges(current, next);
      current = next;
      lastFault = undefined;
      log.info(
        `configuration reloaded from ${file}: ${changes.join(", ") || "no model, pool or key changed"}`,
      );
      if (needRestart.length > 0) {
        log.warn(`restart to apply the changes of ${needRestart.join(", ")} in ${file}`);
      }
    } catch (thrown) {
      const message = thrown instanceof Error ? thrown.message : String(thrown);
      if (message === lastFault && !isForced) return;
      lastFault = message;
      log.warn(`configuration rejected, keeping the previous one: ${message}`);
    }
  }

  return { now: () => reload(true), ifChanged: () => reload(false) };
}
