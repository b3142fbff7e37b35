import type { PlannedDevice, SwapPlan } from "./plan-swap.ts";
import {
  afterEvent,
  begunSwap,
  type EndedSwap,
  isEnded,
  type SwapEvent,
  type SwapState,
} from "./swap-machine.ts";

/** What is done with devices. Each fails with an error whose message is for whoever swaps. */
export interface SwapActions {
  /** Why the device may not be taken out now; nothing is done to it then. */
  refusal(device: PlannedDevice): string | undefined;
  /** Gives it nothing new. Resolves when it has nothing left; rejects as soon as `signal` aborts. */
  drain(device: PlannedDevice, signal: AbortSignal): Promise<void>;
  reprogram(device: PlannedDevice): Promise<void>;
  /** Resolves when the model can be scored there. */
  load(device: PlannedDevice): Promise<void>;
  check(device: PlannedDevice): Promise<void>;
  /** Resolves when it is in rotation. */
  readmit(device: PlannedDevice): Promise<void>;
  /** Whether it still has the model that it was to give up. */
  holdsStill(device: PlannedDevice): Promise<boolean>;
  /** Lets it have calls again, of whatever it holds. */
  giveBack(device: PlannedDevice): void;
}

export interface RunningSwap {
  /** Never rejects. */
  readonly done: Promise<EndedSwap>;
  /** Ends it at the next point where no device is in between. */
  abort(): void;
}

/** @param onState - told of every state, the first and the last one included */
export function runSwap(
  { devices }: SwapPlan,
  actions: SwapActions,
  onState: (state: SwapState) => void,
): RunningSwap {
  const aborted = new AbortController();
  let now = begunSwap(devices);

  function take(event: SwapEvent): void {
    const before = now;
    now = afterEvent(now, event);
    if (now !== before) onState(now);
  }

  async function run(): Promise<EndedSwap> {
    onState(now);
    for (;;) {
      const state = now;
      if (isEnded(state)) return state;
      take(await outcome(state));
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
      case "look-back":
        return { type: "looked", isHeld: await actions.holdsStill(device) };
      case "give-back":
        actions.giveBack(device);
        return { type: "done" };
      case "at-device": {
        if (state.step !== "drain") {
          await actions[state.step](device);
          return { type: "done" };
        }
        const because = actions.refusal(device);
        if (because !== undefined) return { type: "refused", because };
        await actions.drain(device, aborted.signal);
        return { type: "done" };
      }
    }
  }

  return {
    done: run(),
    abort: () => {
      take({ type: "abort" });
      aborted.abort();
    },
  };
}
