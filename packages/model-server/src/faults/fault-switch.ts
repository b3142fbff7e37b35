import { type Random, seededRandom } from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import { ServingError } from "@tensorgate/tf-serving";
import { unlessAborted } from "../hosting/wait.ts";
import {
  type FaultOptions,
  type FaultRule,
  type Faults,
  faultDefaults,
  type RequestFault,
} from "./fault-options.ts";

/** Decides which requests and loads a fault strikes. */
export interface FaultSwitch extends Faults {
  /** What shall happen to this call; undefined for nothing. */
  strike(path: string): RequestFault | undefined;
  /**
   * Stands before a load.
   * @throws ServingError INTERNAL if it shall fail; the signal's reason if that aborts while it sticks
   */
  beforeLoad(signal: AbortSignal): Promise<void>;
  /** Bytes that are no message, others every time. */
  garbage(): Buffer;
}

interface Rule extends FaultRule {
  left: number;
}

const garbageBytes = 64;

/** @throws RangeError as `set` does */
export function createFaultSwitch(initial: FaultOptions): FaultSwitch {
  let random: Random = seededRandom(faultDefaults.seed);
  let rules: readonly Rule[] = [];
  let failLoads = 0;
  let stickLoads = 0;
  let unstick = Promise.withResolvers<void>();

  const set = (options: FaultOptions): void => {
    const wanted = { ...faultDefaults, ...options };
    assertPossible(wanted);
    random = seededRandom(wanted.seed);
    rules = wanted.requests.map((rule) => ({
      ...rule,
      left: rule.next ?? Number.POSITIVE_INFINITY,
    }));
    ({ failLoads, stickLoads } = wanted);
    unstick.resolve();
    unstick = Promise.withResolvers<void>();
  };
  set(initial);

  return {
    set,
    clear: () => set({}),
    strike: (path) => {
      const rule = rules.find(
        ({ calls = "predict", share = 1, left }) =>
          left > 0 && (calls === "all" || path.endsWith("/Predict")) && random.chance(share),
      );
      if (!rule) return undefined;
      rule.left -= 1;
      return rule.fault;
    },
    beforeLoad: async (signal) => {
      if (stickLoads > 0) {
        stickLoads -= 1;
        await unlessAborted(unstick.promise, signal);
      }
      if (failLoads > 0) {
        failLoads -= 1;
        throw new ServingError(grpcCode.INTERNAL, "the load failed: injected fault");
      }
    },
    garbage: () => {
      // A key that never ends: no reader takes what begins so for a message.
      const start = Buffer.alloc(11, 0xff);
      return Buffer.concat([
        start,
        Buffer.from(Array.from({ length: garbageBytes }, () => random.below(256))),
      ]);
    },
  };
}

function assertPossible({ requests, failLoads, stickLoads }: Required<FaultOptions>): void {
  for (const { fault, share = 1, next = 0 } of requests) {
    if (!(share >= 0 && share <= 1)) throw new RangeError(`share must be 0 to 1, got ${share}`);
    assertCount("next", next);
    if (fault.kind === "delay" && !(fault.delayMs >= 0)) {
      throw new RangeError(`delayMs must not be negative, got ${fault.delayMs}`);
    }
    if (fault.kind === "error" && !(fault.code >= 1 && fault.code <= 16)) {
      throw new RangeError(`code must be a gRPC code from 1 to 16, got ${fault.code}`);
    }
  }
  assertCount("failLoads", failLoads);
  assertCount("stickLoads", stickLoads);
}

function assertCount(name: string, value: number): void {
  if (Number.isInteger(value) && value >= 0) return;
  throw new RangeError(`${name} must be a whole number, got ${value}`);
}
