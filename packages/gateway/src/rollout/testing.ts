import { stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import {
  type Classify,
  createLiveValue,
  type ModelCatalog,
  type RoutingHints,
  seededRandom,
  type Tasks,
  UnknownVersionError,
} from "@tensorgate/core";
import { aCall, type ManualClock, manualClock } from "@tensorgate/core/testing";
import type { StartedVersionSwap, VersionDevices, VersionSwapEnd } from "./device-swaps.ts";
import type { RolloutOptions } from "./options.ts";
import { createRollouts, type RolledOut, type RolloutStage } from "./rollouts.ts";

/** For tests: devices of the model `m`, each with one version, and gateways that roll versions out over them. */
export interface DeviceWorld {
  readonly clock: ManualClock;
  /** Version of each device; undefined for an empty one. */
  readonly held: (string | undefined)[];
  /** Versions that devices fail to load. */
  readonly broken: Set<string>;
  /** Swaps that have begun, such as `d0 → 4`, and `d0 twice` where one was being swapped already. */
  readonly begun: readonly string[];
  /** Opens a gateway before the devices. */
  open(options?: RolloutOptions): DeviceGateway;
  /** Lets time pass, a tenth of a second at a time. */
  pass(durationMs: number): Promise<void>;
}

export interface DeviceGateway {
  readonly rollouts: RolloutStage<RolledOut>;
  readonly failures: readonly string[];
  /** Classifies once. @returns the version that answered */
  ask(spec?: object, hints?: RoutingHints): Promise<string>;
}

/** How long a device takes for a swap, in milliseconds. */
export const swapMs = 2_000;

export function deviceWorld(...initial: readonly (string | undefined)[]): DeviceWorld {
  const clock = manualClock();
  const held = [...initial];
  const broken = new Set<string>();
  const begun: string[] = [];
  let openedCount = 0;
  /** Devices that are being swapped, by any gateway. */
  const out = new Set<number>();
  const serving = () => {
    const counts = new Map<string, number>();
    held.forEach((version, at) => {
      if (version !== undefined && !out.has(at))
        counts.set(version, (counts.get(version) ?? 0) + 1);
    });
    return counts;
  };

  const devices: VersionDevices = {
    areDevices: () => "all",
    list: async () =>
      held.flatMap((version, at) =>
        out.has(at)
          ? []
          : [
              {
                id: `${at}`,
                alias: `d${at}`,
                region: "r",
                ...(version !== undefined && { version }),
              },
            ],
      ),
    swap: async ({ deviceId, version, mayTake, onStep }): Promise<StartedVersionSwap> => {
      const at = Number(deviceId);
      if (out.has(at)) {
        // The gateway only reports what is thrown.
        begun.push(`d${at} twice`);
        throw new Error(`d${at} is being swapped twice`);
      }
      const because = mayTake();
      const end = (state: VersionSwapEnd["state"], why?: string): VersionSwapEnd => ({
        state,
        because: why,
        hasReprogrammed: why !== because || why === undefined,
      });
      if (because !== undefined) {
        return { abort: () => {}, done: Promise.resolve(end("failed", because)) };
      }
      begun.push(`d${at} → ${version}`);
      out.add(at);
      onStep(`d${at}: loading version ${version} of model "m"`);
      const done = new Promise<VersionSwapEnd>((resolve) => {
        clock.setTimer(swapMs, () => {
          const fails = broken.has(version);
          held[at] = fails ? undefined : version;
          out.delete(at);
          resolve(fails ? end("failed", `d${at}: no such version`) : end("done"));
        });
      });
      return { abort: () => {}, done };
    },
  };

  return {
    clock,
    held,
    broken,
    begun,
    pass: async (durationMs) => {
      for (let passed = 0; passed < durationMs; passed += 100) {
        clock.advance(100);
        // As many turns of files as a gateway takes between two ticks: on a slow disk time waits for them.
        for (let turn = 0; turn < 6; turn += 1) await stat(tmpdir());
        await new Promise<void>((done) => setImmediate(done));
      }
    },
    open: (options = {}) => {
      const classify: Classify = async ({ modelSpec: { name, version } }) => {
        const answering = version === undefined ? [...serving().keys()][0] : String(version);
        if (answering === undefined || !serving().has(answering)) {
          throw new UnknownVersionError(`no device has version ${answering}`);
        }
        const value = [{ index: 0, label: "cat", score: 1 }];
        return { model: { name, version: BigInt(answering) }, results: [{ ok: true, value }] };
      };
      const catalog = {
        get: () => ({ versions: [...serving().keys()].map(BigInt) }),
      } as unknown as ModelCatalog;
      const failures: string[] = [];
      // Each has its own seed: by equal ones two gateways would have one name.
      openedCount += 1;
      const rollouts = createRollouts<RolledOut>({
        options,
        inForce: createLiveValue({
          tasks: { resolve: () => ({ classify }), catalog } as unknown as Tasks,
          snapshot: { resolve: () => ({ isIdempotent: true }), backboneOf: (name: string) => name },
        }),
        hasQueue: () => false,
        replicasWithout: () => ({ count: held.length, without: 0 }),
        servingVersions: serving,
        devices,
        onFailure: ({ message }) => void failures.push(message),
        clock,
        random: seededRandom(openedCount).next,
      });
      const ask = async (spec: object = {}, hints: RoutingHints = {}) => {
        const modelSpec = { name: "m", ...spec };
        const pictures = [{ bytes: new Uint8Array(1) }];
        const request = { modelSpec, pictures };
        const call = aCall({ hints });
        const { tasks } = rollouts.inForce.current;
        const { model } = await tasks.resolve(modelSpec, call).classify(request, call);
        return String(model?.version);
      };
      return { rollouts, failures, ask };
    },
  };
}
