import {
  type CallContext,
  type Clock,
  type ScoreResolved,
  ScoringError,
  withDeadline,
} from "@tensorgate/core";
import type { Device } from "./device.ts";
import { askPhase, type ModelPhase } from "./device-state.ts";
import { floorFault, type ReadyCount } from "./plan-swap.ts";
import type { SwapActions } from "./run-swap.ts";
import { type SwapRequest, swapDefaults } from "./swap-request.ts";
import { firstOf, pause } from "./waiting.ts";

/** What whoever composes the gateway lets a swap do with its calls. */
export interface DeviceRotation {
  /** Gives a replica nothing new; resolves when it has nothing left. */
  drain(replicaId: string): Promise<void>;
  /** Gives it calls again, after a good probe. */
  readmit(replicaId: string): void;
  /** Whether calls of a model go to a replica. */
  isReady(model: string, replicaId: string): boolean;
  readonly readyCount: ReadyCount;
}

/** What became of a picture. */
export type GoldenAnswer =
  /** The label that comes first. */
  | { readonly kind: "label"; readonly label: string }
  /** An answer without a label. */
  | { readonly kind: "scored" }
  /** The model takes no pictures. */
  | { readonly kind: "not-asked" };

export interface SmokeTestRequest {
  readonly model: string;
  readonly picture: Uint8Array;
  /** At the device, whoever else there is. */
  readonly score: ScoreResolved;
}

/** Scores a picture as a caller's would be. @throws ScoringError if that fails */
export type RunSmokeTest = (question: SmokeTestRequest, call: CallContext) => Promise<GoldenAnswer>;

export interface SwapTimes {
  /** How long a device may take to finish what it has, in milliseconds. */
  readonly drainMs: number;
  /** How long a golden request may take, in milliseconds. */
  readonly checkMs: number;
  /** How long it may take until a device that was checked is in rotation, in milliseconds. */
  readonly readmitMs: number;
  /** How long a device may take to say what it holds, in milliseconds. */
  readonly askMs: number;
  /** Between two questions, in milliseconds. */
  readonly pollMs: number;
}

export const swapTimes: SwapTimes = {
  // Longer than a call may take, so that it ends by itself.
  drainMs: 90_000,
  checkMs: 30_000,
  readmitMs: 15_000,
  askMs: 5_000,
  pollMs: 250,
};

export interface SwapActionDeps {
  readonly request: SwapRequest;
  readonly replicaOf: (id: string) => Device;
  readonly rotation: DeviceRotation;
  readonly askGolden: RunSmokeTest;
  readonly testPicture: Uint8Array;
  /** Devices that get no calls, by id; kept up here. */
  readonly out: Set<string>;
  readonly times: SwapTimes;
  readonly clock: Clock;
  /** Aborts when the gateway closes. */
  readonly closing: AbortSignal;
}

/** What a swap does, with the devices themselves. */
export function createSwapActions(parts: SwapActionDeps): SwapActions {
  const { request, replicaOf, rotation, askGolden, out, times, clock, closing: signal } = parts;
  const { model, basePath = "", golden = {} } = request;
  const { floor, timeoutMs } = { ...swapDefaults, ...request };
  const requestId = `swap-${model}`.replace(/[^\x21-\x7e]/g, "_").slice(0, 128);
  /** When the device that is being reprogrammed must have the model. */
  let loadedByMs = Number.POSITIVE_INFINITY;

  const bounded = <Answer>(limitMs: number, work: (call: CallContext) => Promise<Answer>) =>
    withDeadline(work, { requestId, timeoutMs: Math.max(1, limitMs), clock, signal });

  const phaseAt = (id: string, of: string): Promise<ModelPhase> =>
    bounded(times.askMs, (call) => askPhase(replicaOf(id), of, call));

  return {
    refusal: ({ id, from }) => {
      const device = { id, isOut: out.has(id), ...(from !== undefined && { model: from }) };
      const { readyCount } = rotation;
      return floorFault(device, { model, floor, taken: [], readyCount })?.message;
    },

    drain: async ({ id }, aborted) => {
      out.add(id);
      await firstOf(rotation.drain(id), {
        timeoutMs: times.drainMs,
        late: `still has calls in flight after ${seconds(times.drainMs)}`,
        signals: [aborted, signal],
        clock,
      });
    },

    reprogram: async ({ id }) => {
      const { reload } = replicaOf(id);
      if (!reload) throw new Error("its dialect cannot load another model");
      loadedByMs = clock.nowMs() + timeoutMs;
      await toldInFull("rejected the model", () =>
        bounded(timeoutMs, (call) => reload([{ name: model, basePath }], call)),
      );
    },

    load: async ({ id }) => {
      for (;;) {
        const told = await phaseAt(id, model).catch(ScoringError.from);
        if ("phase" in told && told.phase === "ready") return;
        if ("phase" in told && told.phase === "failed") {
          throw new Error(`failed to load the model: ${told.because}`);
        }
        if (clock.nowMs() >= loadedByMs) {
          const last = "phase" in told ? `the model is ${told.phase}` : told.message;
          throw new Error(`the model is not ready after ${seconds(timeoutMs)}: ${last}`);
        }
        await pause(times.pollMs, clock, signal);
      }
    },

    check: async ({ id }) => {
      const { picture = parts.testPicture, label } = golden;
      const what = golden.picture ? "the golden picture" : "the test picture";
      const expected = label === undefined ? "an answer" : `"${label}"`;
      const answer = await toldInFull(`expected ${expected} for ${what}, but scoring failed`, () =>
        bounded(times.checkMs, (call) =>
          askGolden({ model, picture, score: replicaOf(id).score }, call),
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

    holdsStill: async ({ id, from }) =>
      from !== undefined && (await phaseAt(id, from)).phase === "ready",

    giveBack: ({ id }) => {
      out.delete(id);
      rotation.readmit(id);
    },
  };
}

function seconds(durationMs: number): string {
  return `${Math.round(durationMs / 1_000)} s`;
}

/** What callers are not told is what whoever swaps wants to know. */
async function toldInFull<Answer>(what: string, work: () => Promise<Answer>): Promise<Answer> {
  try {
    return await work();
  } catch (thrown) {
    const error = ScoringError.from(thrown);
    const cause = error.cause instanceof Error ? error.cause.message : "";
    const all = [what, error.message, ...(cause === error.message || cause === "" ? [] : [cause])];
    throw new Error(all.join(": "), { cause: thrown });
  }
}
