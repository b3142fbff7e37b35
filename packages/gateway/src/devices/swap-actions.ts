import {
  type CallContext,
  type Clock,
  type RunSmokeTest,
  ScoringError,
  withDeadline,
} from "@tensorgate/core";
import type { Device, ModelSource } from "./device.ts";
import { type ModelPhase, queryPhase } from "./device-state.ts";
import { floorFault, type ReadyCount } from "./plan-swap.ts";
import type { SwapActions } from "./run-swap.ts";
import { type SwapRequest, swapDefaults } from "./swap-request.ts";

/** How a swap takes replicas out of rotation and returns them. */
export interface DeviceRotation {
  /** Takes a replica out of rotation; resolves when its calls have ended. */
  drain(replicaId: string): Promise<void>;
  /** Returns it to rotation after a successful probe. */
  readmit(replicaId: string): void;
  /** Whether a replica is in rotation for a model. */
  isReady(model: string, replicaId: string): boolean;
  readonly readyCount: ReadyCount;
}

export interface SwapTimes {
  /** How long draining a device may take, in milliseconds. */
  readonly drainMs: number;
  /** How long a smoke test may take, in milliseconds. */
  readonly checkMs: number;
  /** How long a device may take to return to rotation after its smoke test, in milliseconds. */
  readonly readmitMs: number;
  /** How long a status query of a device may take, in milliseconds. */
  readonly queryMs: number;
  /** Interval of status queries, in milliseconds. */
  readonly pollMs: number;
}

export const swapTimes: SwapTimes = {
  // Longer than a call may take, so that it ends by itself.
  drainMs: 90_000,
  checkMs: 30_000,
  readmitMs: 15_000,
  queryMs: 5_000,
  pollMs: 250,
};

export interface SwapActionDeps {
  readonly request: SwapRequest;
  readonly deviceOf: (id: string) => Device;
  readonly rotation: DeviceRotation;
  readonly runSmokeTest: RunSmokeTest;
  readonly testPicture: Uint8Array;
  /** Ids of devices out of rotation; the actions change it. */
  readonly out: Set<string>;
  readonly times: SwapTimes;
  readonly clock: Clock;
  /** Aborts when the gateway closes. */
  readonly closing: AbortSignal;
  /** Returns why a device may not be taken out of rotation now, other than the floor. */
  readonly mayTake?: (deviceId: string) => string | undefined;
}

export function createSwapActions(deps: SwapActionDeps): SwapActions {
  const { request, deviceOf, rotation, runSmokeTest, out, times, clock, closing: signal } = deps;
  const { model, version, basePath = "", golden = {} } = request;
  const isWanted = (phase: ModelPhase) =>
    phase.phase === "ready" &&
    (version === undefined || phase.versions.map(String).includes(version));
  const { floor, timeoutMs } = { ...swapDefaults, ...request };
  const requestId = `swap-${model}`.replace(/[^\x21-\x7e]/g, "_").slice(0, 128);
  /** By when the device that is being reprogrammed must hold the model. */
  let loadedByMs = Number.POSITIVE_INFINITY;

  const withLimit = <Answer>(limitMs: number, work: (call: CallContext) => Promise<Answer>) =>
    withDeadline(work, { requestId, timeoutMs: Math.max(1, limitMs), clock, signal });

  const phaseAt = (id: string, of: string): Promise<ModelPhase> =>
    withLimit(times.queryMs, (call) => queryPhase(deviceOf(id), of, call));

  /** Resolves when the device has unloaded the model. @throws an error once it should hold the next one */
  async function unloaded(id: string): Promise<void> {
    for (;;) {
      const { phase } = await phaseAt(id, model);
      if (phase === "absent" || phase === "failed") return;
      if (clock.nowMs() >= loadedByMs) {
        throw new Error(`the previous version is still ${phase} after ${seconds(timeoutMs)}`);
      }
      await pause(times.pollMs, clock, signal);
    }
  }

  return {
    rejection: ({ id, from, fromVersion }) => {
      const device = {
        id,
        isOut: out.has(id),
        ...(from !== undefined && { model: from }),
        ...(fromVersion !== undefined && { version: fromVersion }),
      };
      const { readyCount } = rotation;
      const fault = floorFault(device, { model, version, floor, taken: [], readyCount })?.message;
      return fault ?? deps.mayTake?.(id);
    },

    drain: async ({ id }, aborted) => {
      out.add(id);
      await withTimeout(rotation.drain(id), {
        timeoutMs: times.drainMs,
        late: `still has calls in flight after ${seconds(times.drainMs)}`,
        signals: [aborted, signal],
        clock,
      });
    },

    reprogram: async ({ id, from }) => {
      const { reload } = deviceOf(id);
      if (!reload) throw new Error("its dialect cannot load another model");
      loadedByMs = clock.nowMs() + timeoutMs;
      const load = (models: readonly ModelSource[]) =>
        withCause("rejected the model", () =>
          withLimit(loadedByMs - clock.nowMs(), (call) => reload(models, call)),
        );
      if (from === model) {
        // A server loads a version before it unloads another one of the same model: there is no room for both.
        await load([]);
        await unloaded(id);
      }
      const source = { name: model, basePath };
      await load([version === undefined ? source : { ...source, version: BigInt(version) }]);
    },

    load: async ({ id }) => {
      for (;;) {
        const reported = await phaseAt(id, model).catch(ScoringError.from);
        if ("phase" in reported && isWanted(reported)) return;
        if ("phase" in reported && reported.phase === "failed") {
          throw new Error(`failed to load the model: ${reported.because}`);
        }
        if (clock.nowMs() >= loadedByMs) {
          const last = "phase" in reported ? `the model is ${reported.phase}` : reported.message;
          throw new Error(`the model is not ready after ${seconds(timeoutMs)}: ${last}`);
        }
        await pause(times.pollMs, clock, signal);
      }
    },

    check: async ({ id }) => {
      const { picture = deps.testPicture, label } = golden;
      const what = golden.picture ? "the golden picture" : "the test picture";
      const expected = label === undefined ? "an answer" : `"${label}"`;
      const answer = await withCause(`expected ${expected} for ${what}, but scoring failed`, () =>
        withLimit(times.checkMs, (call) =>
          runSmokeTest(
            {
              model,
              picture,
              score: deviceOf(id).score,
              ...(version !== undefined && { version: BigInt(version) }),
            },
            call,
          ),
        ),
      );
      if (label === undefined || (answer.kind === "label" && answer.label === label)) return;
      const got = answer.kind === "label" ? `"${answer.label}"` : "an answer without a label";
      throw new Error(
        answer.kind === "not-asked"
          ? `expected ${expected} for ${what}, but the model takes no pictures`
          : `expected ${expected} for ${what}, got ${got}`,
      );
    },

    readmit: async ({ id }) => {
      out.delete(id);
      rotation.readmit(id);
      const endMs = clock.nowMs() + times.readmitMs;
      while (!rotation.isReady(model, id)) {
        if (clock.nowMs() >= endMs) {
          throw new Error(`not ready after ${seconds(times.readmitMs)}, by its probes`);
        }
        await pause(times.pollMs, clock, signal);
      }
    },

    holdsPrevious: async ({ id, from, fromVersion }) => {
      if (from === undefined) return false;
      const phase = await phaseAt(id, from);
      if (phase.phase !== "ready") return false;
      // With another version of the model it holds what it was to load, or something that was never verified.
      return from !== model || phase.versions.map(String).includes(fromVersion ?? "");
    },

    rollBack: ({ id }) => {
      out.delete(id);
      rotation.readmit(id);
    },
  };
}

function seconds(durationMs: number): string {
  return `${Math.round(durationMs / 1_000)} s`;
}

/** Adds the cause to the message: operators see it, clients do not. */
async function withCause<Answer>(what: string, work: () => Promise<Answer>): Promise<Answer> {
  try {
    return await work();
  } catch (thrown) {
    const error = ScoringError.from(thrown);
    const cause = error.cause instanceof Error ? error.cause.message : "";
    const all = [what, error.message, ...(cause === error.message || cause === "" ? [] : [cause])];
    throw new Error(all.join(": "), { cause: thrown });
  }
}

/** Resolves after a while. @throws the reason of `signal` as soon as that aborts */
function pause(durationMs: number, clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = () => {
      timer[Symbol.dispose]();
      reject(signal.reason);
    };
    const timer = clock.setTimer(durationMs, () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

interface TimeoutOptions {
  readonly timeoutMs: number;
  /** Message of the error after `timeoutMs`. */
  readonly late: string;
  readonly signals: readonly AbortSignal[];
  readonly clock: Clock;
}

/** Resolves to the result of `work`. @throws an error after `timeoutMs`, or the reason of a signal that aborts */
function withTimeout<Result>(
  work: Promise<Result>,
  { timeoutMs, late, signals, clock }: TimeoutOptions,
): Promise<Result> {
  const signal = AbortSignal.any([...signals]);
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const timer = clock.setTimer(timeoutMs, () => reject(new Error(late)));
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    void work.then(resolve, reject).finally(() => {
      timer[Symbol.dispose]();
      signal.removeEventListener("abort", onAbort);
    });
  });
}
