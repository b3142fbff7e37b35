import type { PlannedDevice, SwapPlan } from "./plan-swap.ts";
import {
  afterEvent,
  type EndedSwap,
  isEnded,
  type SwapEvent,
  type SwapState,
  startedSwap,
} from "./swap-machine.ts";

/** Actions on devices. Each fails with an error whose message is for the operator. */
export interface SwapActions {
  /** Returns why the device may not be swapped now; nothing is done to it then. */
  rejection(device: PlannedDevice): string | undefined;
  /** Takes it out of rotation. Resolves when its calls have ended; rejects as soon as `signal` aborts. */
  drain(device: PlannedDevice, signal: AbortSignal): Promise<void>;
  reprogram(device: PlannedDevice): Promise<void>;
  /** Resolves when the model can be scored there. */
  load(device: PlannedDevice): Promise<void>;
  /** Runs the smoke test. */
  check(device: PlannedDevice): Promise<void>;
  /** Resolves when it is in rotation. */
  readmit(device: PlannedDevice): Promise<void>;
  /** Returns whether it still holds its previous model. */
  holdsPrevious(device: PlannedDevice): Promise<boolean>;
  /** Returns it to rotation, whatever it holds. */
  rollBack(device: PlannedDevice): void;
}

export interface RunningSwap {
  /** Never rejects. */
  readonly done: Promise<EndedSwap>;
  /** Ends it as soon as no device is in progress. */
  abort(): void;
}

/** Runs a swap to its end. @param onState - called with every state, the first and the last one included */
export function runSwap(
  { devices }: SwapPlan,
  actions: SwapActions,
  onState: (state: SwapState) => void,
): RunningSwap {
  const aborted = new AbortController();
  let current = startedSwap(devices);

  function apply(event: SwapEvent): void {
    const before = current;
    current = afterEvent(current, event);
    if (current !== before) onState(current);
  }

  async function run(): Promise<EndedSwap> {
    onState(current);
    for (;;) {
      const state = current;
      if (isEnded(state)) return state;
      apply(await outcome(state));
    }
  }

  async function outcome(state: SwapState): Promise<SwapEvent> {
    try {
      return await perform(state);
    } catch (thrown) {
      return { type: "failed", because: thrown instanceof Error ? thrown.message : String(thrown) };
    }
  }

  async function perform(state: SwapState): Promise<SwapEvent> {
    if (isEnded(state)) return { type: "done" };
    const { device } = state;
    switch (state.state) {
      case "verify":
        return { type: "verified", isHeld: await actions.holdsPrevious(device) };
      case "roll-back":
        actions.rollBack(device);
        return { type: "done" };
      case "in-progress": {
        if (state.step !== "drain") {
          await actions[state.step](device);
          return { type: "done" };
        }
        const because = actions.rejection(device);
        if (because !== undefined) return { type: "rejected", because };
        await actions.drain(device, aborted.signal);
        return { type: "done" };
      }
    }
  }

  return {
    done: run(),
    abort: () => {
      apply({ type: "abort" });
      aborted.abort();
    },
  };
}
