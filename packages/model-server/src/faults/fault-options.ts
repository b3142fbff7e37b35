import { counted } from "@tensorgate/core";
/** What happens to a request in place of an answer, or to its answer. */
export type RequestFault =
  /** It is never answered. */
  | { readonly kind: "drop" }
  /** Its answer is sent so much later, in milliseconds; it takes no slot meanwhile. */
  | { readonly kind: "delay"; readonly delayMs: number }
  /** The connection that it came by is reset (TCP RST), with all other requests on it. */
  | { readonly kind: "reset" }
  /** The response is bytes that are not a message. */
  | { readonly kind: "garbage" }
  /** The response is an error. */
  | {
      readonly kind: "error";
      /** gRPC status code, not 0. */
      readonly code: number;
      /** @default "injected fault" */
      readonly message?: string;
    };

/** When a fault strikes. The first rule that does is the one that counts. */
export interface FaultRule {
  readonly fault: RequestFault;
  /**
   * Share of the requests that it strikes, from 0 to 1.
   * @default 1
   */
  readonly share?: number;
  /** Strikes that many times, without limit by default. */
  readonly next?: number;
  /**
   * Calls that it may strike: `Predict` alone, or also status, metadata, reloads and health.
   * @default "predict"
   */
  readonly calls?: "predict" | "all";
}

/** Faults to inject. For tests and demonstrations: the responses are not to be relied on. */
export interface FaultOptions {
  /**
   * The same seed and the same requests give the same faults.
   * @default 1
   */
  readonly seed?: number;
  /** @default [] */
  readonly requests?: readonly FaultRule[];
  /**
   * Loads of reloads that fail, from now on; a model's state is END with INTERNAL then.
   * @default 0
   */
  readonly failLoads?: number;
  /**
   * Loads of reloads that stay in LOADING until faults are set again or cleared.
   * @default 0
   */
  readonly stickLoads?: number;
}

/** Faults of a running server. */
export interface Faults {
  /**
   * Takes the place of all faults before; loads that stick go on.
   * @throws RangeError for a share, count, delay or code that cannot be
   */
  set(options: FaultOptions): void;
  /** Everything works again; loads that stick go on. Requests that were dropped stay unanswered. */
  clear(): void;
}

export const faultDefaults: Readonly<Required<FaultOptions>> = {
  seed: 1,
  requests: [],
  failLoads: 0,
  stickLoads: 0,
};

/** Describes faults in one line for the log; undefined where there are none. */
export function faultsText(options: FaultOptions): string | undefined {
  const { seed, requests, failLoads, stickLoads } = { ...faultDefaults, ...options };
  const all = [
    ...requests.map(ruleText),
    ...(failLoads > 0 ? [`${counted(failLoads, "load")} to fail`] : []),
    ...(stickLoads > 0 ? [`${counted(stickLoads, "load")} to stick in LOADING`] : []),
  ];
  if (all.length === 0) return undefined;
  return `fault injection is on, and responses are not to be relied on: ${all.join("; ")} (seed ${seed})`;
}

function ruleText({ fault, share = 1, next, calls = "predict" }: FaultRule): string {
  const what = {
    drop: () => "no response",
    delay: () => `responses delayed by ${fault.kind === "delay" ? fault.delayMs : 0} ms`,
    reset: () => "connections reset",
    garbage: () => "garbage responses",
    error: () => `error ${fault.kind === "error" ? fault.code : 0}`,
  }[fault.kind]();
  const often = next === undefined ? "" : `, ${counted(next, "time")}`;
  return `${what} for ${share * 100} % of ${calls === "all" ? "all calls" : "Predict"}${often}`;
}
