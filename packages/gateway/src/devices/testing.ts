import {
  type SmokeTestResult,
  UpstreamAnsweredError,
  UpstreamFailedError,
  type VersionState,
} from "@tensorgate/core";
import { aResponse, type ManualClock, manualClock } from "@tensorgate/core/testing";
import { grpcCode } from "@tensorgate/grpc";
import type { Device, DeviceReplicas, SwapProgress, SwapReport } from "./device.ts";
import { createDeviceRegistry, type DeviceRegistry } from "./device-registry.ts";
import { createDevices, type ManagedDevices } from "./devices.ts";
import type { SwapRequest } from "./swap-request.ts";

export interface FakeDevice {
  /** State of each model that it reports. */
  readonly states: Map<string, { state: VersionState; error?: string; version?: bigint }>;
  /** What a reload does; loads by default. */
  reload(model: string, version?: bigint): void | Promise<void>;
  isSilent: boolean;
}

export interface DeviceRig {
  readonly clock: ManualClock;
  readonly devices: ManagedDevices;
  readonly registry: DeviceRegistry;
  /** @param number - from 1 on */
  device(number: number): FakeDevice;
  /** Ids of devices out of rotation. */
  readonly out: ReadonlySet<string>;
  /** Requested reloads: id, model, base path. */
  readonly reloads: readonly string[];
  readonly world: {
    smokeTest(version?: bigint): SmokeTestResult | Error;
    /** Ids of devices that have calls in flight until they are released. */
    readonly busy: Set<string>;
    release(id: string): void;
  };
  /** Runs a swap, advancing the clock until it has ended. */
  swap(request: SwapRequest): Promise<SwapReport & { readonly names: readonly string[] }>;
}

/** Creates devices `h:1`, `h:2`, …, each with its model, a or b. */
export function deviceRig(...held: readonly (string | undefined)[]): DeviceRig {
  const clock = manualClock();
  const ids = held.map((_, index) => `h:${index + 1}`);
  const fakes = new Map<string, FakeDevice>();
  held.forEach((model, index) => {
    const states: FakeDevice["states"] = new Map();
    if (model !== undefined) states.set(model, { state: "available" });
    fakes.set(ids[index] ?? "", {
      states,
      isSilent: false,
      reload: (next, version) => {
        states.clear();
        if (next === "") return;
        states.set(next, { state: "available", ...(version !== undefined && { version }) });
      },
    });
  });
  const out = new Set<string>();
  const inFlight = new Map<string, () => void>();
  const reloads: string[] = [];
  const world: DeviceRig["world"] = {
    smokeTest: () => ({ kind: "label", label: "star" }),
    busy: new Set(),
    release: (id) => inFlight.get(id)?.(),
  };
  const serves = (model: string, id: string) =>
    !out.has(id) && fakes.get(id)?.states.get(model)?.state === "available";

  const deviceOf = (id: string): Device => ({
    score: async () => aResponse,
    modelStatus: async ({ name }) => {
      const fake = fakes.get(id);
      if (!fake || fake.isSilent) throw new UpstreamFailedError("gone", { wasLost: true });
      const found = fake.states.get(name);
      if (!found) throw new UpstreamAnsweredError("Could not find", grpcCode.NOT_FOUND);
      const { state, error, version = 1n } = found;
      const errorCode = error === undefined ? 0 : 3;
      return { versions: [{ version, state, errorCode, errorMessage: error ?? "" }] };
    },
    reload: async ([source]) => {
      const { name = "", basePath = "", version } = source ?? {};
      const which = version === undefined ? "" : ` version ${version}`;
      reloads.push(source ? `${id} ${name} ${basePath}${which}` : `${id} nothing`);
      await fakes.get(id)?.reload(name, version);
    },
  });
  const replicas: DeviceReplicas = {
    pools: ["a", "b"].map((model) => ({
      model,
      region: "r",
      replicaIds: ids,
      isExclusive: true,
    })),
    byId: { get: deviceOf },
    onChange: () => {},
  };
  const aliasOf = (region: string, id: string) => `${region}-${id.slice(2)}`;
  const registry = createDeviceRegistry({ replicas, aliasOf, clock });
  const all = createDevices({
    registry,
    replicas,
    rotation: {
      drain: (id) => {
        out.add(id);
        if (!world.busy.has(id)) return Promise.resolve();
        return new Promise((resolve) => inFlight.set(id, resolve));
      },
      readmit: (id) => void out.delete(id),
      isReady: serves,
      readyCount: (model, except) =>
        ids.filter((id) => serves(model, id) && !except.has(id)).length,
    },
    runSmokeTest: async ({ version }) => {
      const answer = world.smokeTest(version);
      if (answer instanceof Error) throw answer;
      return answer;
    },
    testPicture: new Uint8Array(),
    aliasOf,
    clock,
  });
  const device = (number: number): FakeDevice => {
    const fake = fakes.get(`h:${number}`);
    if (!fake) throw new RangeError(`there is no device ${number}`);
    return fake;
  };
  return {
    clock,
    devices: all,
    registry,
    device,
    out,
    reloads,
    world,
    swap: async (request) => {
      const steps: string[] = [];
      const onProgress = ({ device: alias, step }: SwapProgress) =>
        steps.push(alias === undefined ? step : `${alias} ${step}`);
      const { done } = await all.swap(request, onProgress);
      return { ...(await untilEnded(done, clock)), names: steps };
    },
  };
}

/** Advances the clock, a second at a time, until `work` has ended. */
export async function untilEnded<Result>(
  work: Promise<Result>,
  clock: ManualClock,
): Promise<Result> {
  let isEnded = false;
  const ended = work.finally(() => {
    isEnded = true;
  });
  while (!isEnded) {
    await microtasks();
    clock.advance(1_000);
  }
  return ended;
}

export async function microtasks(): Promise<void> {
  for (let count = 0; count < 50; count += 1) await Promise.resolve();
}
