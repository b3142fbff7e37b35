import { type Clock, counted } from "@tensorgate/core";
import type { SwapProgress, SwapReport } from "./device.ts";
import type { SwapPlan } from "./plan-swap.ts";
import { isEnded, type SwapState } from "./swap-machine.ts";

/** The log of one swap. */
export interface LoggedSwap {
  readonly report: SwapReport;
  /** When the swap of the device in progress started; undefined between devices. */
  readonly deviceSinceMs: number | undefined;
  /** Logs a state. @returns the duration of the swap of the device that it finishes, in milliseconds */
  add(state: SwapState): number | undefined;
  setAborting(): void;
  /** Streams every step, from the first to the end. */
  follow(): AsyncIterable<SwapProgress>;
}

export interface SwapLogOptions {
  readonly id: string;
  readonly model: string;
  readonly version?: string | undefined;
  readonly plan: SwapPlan;
  readonly clock: Clock;
  readonly onProgress: (progress: SwapProgress) => void;
}

export function createSwapLog(options: SwapLogOptions): LoggedSwap {
  const { id, model, version, plan, clock, onProgress } = options;
  const what = `${version === undefined ? "" : `version ${version} of `}model "${model}"`;
  const startedMs = clock.nowMs();
  const steps: SwapProgress[] = [];
  const followers = new Set<() => void>();
  let end: Pick<SwapReport, "state" | "because"> | undefined;
  let isAborting = false;
  let drainedMs: number | undefined;
  let readmitting: string | undefined;

  function add(state: SwapState): number | undefined {
    const nowMs = clock.nowMs();
    const stepBefore = steps.at(-1)?.step;
    const step = state.state === "in-progress" ? state.step : state.state;
    const device = isEnded(state) ? undefined : state.device.alias;
    // A request to abort is no step.
    if (step === stepBefore && device === steps.at(-1)?.device) return undefined;
    const isFinished = readmitting !== undefined && state.state !== "failed";
    const durationMs = isFinished && drainedMs !== undefined ? nowMs - drainedMs : undefined;
    if (readmitting !== undefined || step === "roll-back") drainedMs = undefined;
    readmitting = step === "readmit" ? device : undefined;
    if (step === "drain") drainedMs = nowMs;
    if (isEnded(state)) {
      end = { state: state.state, ...("because" in state && { because: state.because }) };
      drainedMs = undefined;
    }
    const progress: SwapProgress = {
      swapId: id,
      atMs: nowMs - startedMs,
      step,
      ...(device !== undefined && { device }),
      text: textOf(state, { what, plan, isOfVersion: version !== undefined }),
    };
    steps.push(progress);
    for (const wake of followers) wake();
    followers.clear();
    onProgress(progress);
    return durationMs;
  }

  return {
    add,
    setAborting: () => {
      isAborting = true;
    },
    get deviceSinceMs() {
      return drainedMs;
    },
    get report() {
      return {
        id,
        model,
        ...(version !== undefined && { version }),
        ...(end ?? { state: isAborting ? ("aborting" as const) : ("running" as const) }),
        devices: plan.devices.map(({ alias }) => alias),
        already: plan.already,
        steps: [...steps],
      };
    },
    follow: async function* () {
      for (let next = 0; ; next += 1) {
        while (next >= steps.length) {
          if (end) return;
          await new Promise<void>((resolve) => followers.add(resolve));
        }
        const step = steps[next];
        if (step) yield step;
      }
    },
  };
}

interface TextOptions {
  /** The model, with the version that is asked for. */
  readonly what: string;
  readonly plan: SwapPlan;
  readonly isOfVersion: boolean;
}

function textOf(state: SwapState, { what, plan, isOfVersion }: TextOptions): string {
  switch (state.state) {
    case "in-progress": {
      const { alias, from, fromVersion } = state.device;
      const held = isOfVersion && fromVersion ? `version ${fromVersion} of ` : "";
      switch (state.step) {
        case "drain":
          return `${alias}: draining calls${from === undefined ? "" : ` of ${held}model "${from}"`}`;
        case "reprogram":
          return `${alias}: loading ${what}`;
        case "load":
          return `${alias}: waiting until the model is ready`;
        case "check":
          return `${alias}: verifying the model's result`;
        case "readmit":
          return `${alias}: returning to rotation`;
      }
      break;
    }
    case "verify":
      return `${state.because}; checking which model it holds`;
    case "roll-back":
      return `${state.device.alias}: returned with its previous model`;
    case "done": {
      const count = plan.devices.length + plan.already.length;
      return `${counted(count, "device serves", "devices serve")} ${what}`;
    }
    case "aborted":
      return "aborted";
    case "failed":
      return state.because;
  }
}
