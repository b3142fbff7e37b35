import type { CapacityStatus, Clock, DeviceCapacity } from "@tensorgate/core";
import { inClusterAccount } from "../kubernetes-account.ts";
import { createClusterDevices, type ReadDevices } from "./cluster-devices.ts";
import { type CapacityOptions, capacityDefaults } from "./options.ts";

/** Free devices of the cluster that the gateway runs in. */
export interface Capacity {
  /** Returns what was read last. */
  current(): CapacityStatus;
  /**
   * Reads the devices if the last read is older than `minIntervalMs`; callers share one read.
   *
   * @returns when they are read, or after two seconds; it never rejects
   */
  refresh(): Promise<void>;
  close(): void;
}

export interface CapacityDeps {
  readonly clock: Clock;
  /** Undefined outside of a cluster. */
  readonly read?: ReadDevices | undefined;
}

/** Longest time that a caller of the status waits for a read, in milliseconds. */
const maxWaitMs = 2_000;
/** Longest time of one read, in milliseconds. */
const maxReadMs = 60_000;
/** Longest reason that is shown, in characters. */
const maxReasonChars = 300;

/** Creates the reader of free devices. Nothing is read until the status is asked for. */
export function createCapacity(
  options: CapacityOptions,
  { clock, read = inClusterDevices() }: CapacityDeps,
): Capacity {
  const { resources, minIntervalMs } = { ...capacityDefaults, ...options };
  const closing = new AbortController();
  let devices: readonly DeviceCapacity[] = [];
  let readAtMs: number | undefined;
  let because: string | undefined;
  let begunAtMs: number | undefined;
  let running: Promise<void> | undefined;

  async function readOnce(): Promise<void> {
    const abort = new AbortController();
    using _timer = clock.setTimer(maxReadMs, () =>
      abort.abort(new Error(`nodes and pods could not be read within ${maxReadMs / 1_000} s`)),
    );
    const signal = AbortSignal.any([closing.signal, abort.signal]);
    try {
      if (!read) throw new Error("the gateway runs outside of Kubernetes");
      devices = await read(resources, signal);
      readAtMs = clock.nowMs();
      because = undefined;
    } catch (thrown) {
      const reason = abort.signal.aborted ? abort.signal.reason : thrown;
      because = reasonOf(reason);
    }
  }

  return {
    current: () => ({
      devices,
      ...(readAtMs !== undefined && { ageMs: clock.nowMs() - readAtMs }),
      ...(because !== undefined && { because }),
    }),
    refresh: async () => {
      const isDue = begunAtMs === undefined || clock.nowMs() - begunAtMs >= minIntervalMs;
      if (!running && isDue && !closing.signal.aborted) {
        begunAtMs = clock.nowMs();
        running = readOnce().finally(() => {
          running = undefined;
        });
      }
      if (!running) return;
      const waited = Promise.withResolvers<void>();
      using _timer = clock.setTimer(maxWaitMs, waited.resolve);
      await Promise.race([running, waited.promise]);
    },
    close: () => closing.abort(),
  };
}

function inClusterDevices(): ReadDevices | undefined {
  const account = inClusterAccount();
  return account && createClusterDevices(account);
}

function reasonOf(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  const [line = ""] = text.split("\n");
  return line.length > maxReasonChars ? `${line.slice(0, maxReasonChars)}…` : line;
}
