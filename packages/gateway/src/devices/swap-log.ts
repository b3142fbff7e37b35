import type { Clock } from "@tensorgate/core";
import { counted } from "@tensorgate/core";
import type { SwapProgress, SwapReport } from "./device-report.ts";
import type { SwapPlan } from "./plan-swap.ts";
import { isEnded, type SwapState } from "./swap-machine.ts";

/** One swap as it is remembered. */
export interface LoggedSwap {
  readonly report: SwapReport;
  /** When the swap of the device that is in between began; undefined between devices. */
  readonly deviceSinceMs: number | undefined;
  /** Takes note of a state. @returns how long the device took that is finished by it, in milliseconds */
  note(state: SwapState): number | undefined;
  noteAbort(): void;
  /** Every step from the first one on, as it comes, to the end. */
  follow(): AsyncIterable<SwapProgress>;
}

export interface SwapLogOptions {
  readonly id: string;
  readonly model: string;
  readonly plan: SwapPlan;
  readonly clock: Clock;
  readonly onProgress: (progress: SwapProgress) => void;
}

export function createSwapLog({ id, model, plan, clock, onProgress }: SwapLogOptions): LoggedSwap {
  const startedMs = clock.nowMs();
  const steps: SwapProgress[] = [];
  const waiting = new Set<() => void>();
  let end: Pick<SwapReport, "state" | "because"> | undefined;
  let isAborting = false;
  let drainedMs: number | undefined;
  let readmitting: string | undefined;

  function note(state: SwapState): number | undefined {
    const nowMs = clock.nowMs();
    const stepBefore = steps.at(-1)?.step;
    const step = state.state === "at-device" ? state.step : state.state;
    const device = isEnded(state) ? undefined : state.device.alias;
    // An abort that is asked for is no step.
    if (step === stepBefore && device === steps.at(-1)?.device) return undefined;
    const isFinished = readmitting !== undefined && state.state !== "failed";
    const tookMs = isFinished && drainedMs !== undefined ? nowMs - drainedMs : undefined;
    if (readmitting !== undefined || step === "give-back") drainedMs = undefined;
    readmitting = step === "readmit" ? device : undefined;
    if (step === "drain") drainedMs = nowMs;
    if (isEnded(state)) {
      end = { state: state.state, ...("because" in state && { because: state.because }) };
      drainedMs = undefined;
    }
    const progress: SwapProgress = {
      ...{ swapId: id, atMs: nowMs - startedMs, step },
      ...(device !== undefined && { device }),
      text: textOf(state, { model, plan }),
    };
    steps.push(progress);
    for (const wake of waiting) wake();
    waiting.clear();
    onProgress(progress);
    return tookMs;
  }

  return {
    note,
    noteAbort: () => {
      isAborting = true;
    },
    get deviceSinceMs() {
      return drainedMs;
    },
    get report() {
      return {
        ...{ id, model },
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
          await new Promise<void>((resolve) => waiting.add(resolve));
        }
        const step = steps[next];
        if (step) yield step;
      }
    },
  };
}

function textOf(
  state: SwapState,
  { model, plan }: { readonly model: string; readonly plan: SwapPlan },
): string {
  switch (state.state) {
    case "at-device": {
      const { alias, from } = state.device;
      switch (state.step) {
        case "drain":
          return `${alias}: draining calls${from === undefined ? "" : ` of model "${from}"`}`;
        case "reprogram":
          return `${alias}: loading model "${model}"`;
        case "load":
          return `${alias}: waiting until the model is ready`;
        case "check":
          return `${alias}: verifying the model's result`;
        case "readmit":
          return `${alias}: returning to rotation`;
      }
      break;
    }
    case "look-back":
      return `${state.because}; checking which model it holds`;
    case "give-back":
      return `${state.device.alias}: returned with its previous model`;
    case "done": {
      const count = plan.devices.length + plan.already.length;
      return `${counted(count, "device serves", "devices serve")} model "${model}"`;
    }
    case "aborted":
      return "aborted";
    case "failed":
      return state.because;
  }
}
