import type { Clock } from "@tensorgate/core";
import type { ComparisonCounts, RolloutState } from "./machine/state.ts";
import { createShadow, type Shadow } from "./shadow.ts";

export interface RolloutShadowsDeps {
  readonly isIdempotent: (model: string) => boolean;
  readonly hasQueue: (model: string) => boolean;
  readonly onCompared: (model: string, sums: ComparisonCounts) => void;
  /** Called when the first shadow begins. */
  readonly onUsed: () => void;
  readonly maxShadows: number;
  readonly clock: Clock;
  readonly random: () => number;
}

interface BegunShadow {
  readonly version: string;
  readonly share: number;
  readonly keepsPictures?: boolean;
}

/** The shadows of all models, one each. */
export interface RolloutShadows {
  get(model: string): Shadow | undefined;
  models(): readonly string[];
  begin(model: string, shadow: BegunShadow): void;
  /** Begins the shadow of a rollout, if one of its conditions compares. */
  follow(model: string, state: RolloutState | undefined): void;
  end(model: string): void;
}

export function createRolloutShadows(deps: RolloutShadowsDeps): RolloutShadows {
  const { isIdempotent, hasQueue, onCompared, onUsed, maxShadows, clock, random } = deps;
  const shadows = new Map<string, Shadow>();

  function begin(model: string, { version, share, keepsPictures = false }: BegunShadow): void {
    end(model);
    const shadow = createShadow({
      version,
      share,
      keepsPictures,
      maxInFlight: maxShadows,
      hasQueue: () => hasQueue(model),
      onCompared: (sums) => onCompared(model, sums),
      clock,
      random,
    });
    shadows.set(model, shadow);
    onUsed();
  }

  function end(model: string): void {
    shadows.get(model)?.close();
    shadows.delete(model);
  }

  return {
    get: (model) => shadows.get(model),
    models: () => [...shadows.keys()],
    begin,
    follow: (model, state) => {
      const plan = state?.running?.plan;
      const compares = plan?.abortIf.some(({ metric }) => metric !== "failures") ?? false;
      if (!plan || !compares || plan.shadowShare === 0 || !isIdempotent(model)) return;
      begin(model, { version: plan.to, share: plan.shadowShare });
    },
    end,
  };
}
