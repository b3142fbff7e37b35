import { sharedNowMs } from "../shared-clock.ts";

/** Polls a gateway's status, as an operator's page does. */
export interface StatusWatch extends AsyncDisposable {
  /** Replicas that were in rotation and then ejected, each time, over all looks so far. */
  readonly ejections: number;
  /** Polls more often for a moment, which costs the gateway more. */
  lookClosely(): void;
  /**
   * Resolves when every one of these replicas is in rotation.
   * @throws Error after half a minute
   */
  untilReady(ids: readonly string[]): Promise<void>;
  /** When a replica was first seen out of rotation after `fromMs`, by the shared clock. */
  firstOutAtMs(id: string, fromMs: number): number | undefined;
}

interface StatusBody {
  readonly status: {
    readonly regions: readonly {
      readonly pools: readonly {
        readonly replicas: readonly {
          readonly id: string;
          readonly state: string;
          /** Absent for none. */
          readonly ejections?: string;
        }[];
      }[];
    }[];
  };
}

/** Interval of the polls, in milliseconds. */
const lookEveryMs = 50;
/** The same for a while after a fault: what a detection may seem longer than it was. */
const lookCloselyEveryMs = 5;
const closelyForMs = 500;
/** A gateway that is stalled or gone does not answer. */
const timeoutMs = 1_000;
/** A replica that is probed ever more rarely is back by then. */
const untilReadyMs = 30_000;

/** Starts polling. */
export function watchStatus(port: number): StatusWatch {
  const states = new Map<string, string>();
  const outAtMs = new Map<string, number[]>();
  const waiting = new Set<() => void>();
  /** What the gateway counted, by replica: one that is only suspected was not taken out. */
  const counts = new Map<string, number>();
  let closelyUntilMs = 0;
  let isClosed = false;

  async function look(): Promise<void> {
    const response = await fetch(`http://127.0.0.1:${port}/tensorgate.v1.StatusService/GetStatus`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
      signal: AbortSignal.timeout(timeoutMs),
    });
    const { status } = (await response.json()) as StatusBody;
    const nowMs = sharedNowMs();
    for (const { id, state, ejections = 0 } of status.regions.flatMap(({ pools }) =>
      pools.flatMap(({ replicas }) => replicas),
    )) {
      if (states.get(id) === "ready" && state !== "ready") {
        outAtMs.set(id, [...(outAtMs.get(id) ?? []), nowMs]);
      }
      states.set(id, state);
      counts.set(id, Number(ejections));
    }
    for (const check of waiting) check();
  }

  async function lookOn(): Promise<void> {
    while (!isClosed) {
      await look().catch(() => {});
      const everyMs = sharedNowMs() < closelyUntilMs ? lookCloselyEveryMs : lookEveryMs;
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  }
  const closed = lookOn();

  return {
    get ejections() {
      return [...counts.values()].reduce((sum, count) => sum + count, 0);
    },
    lookClosely: () => {
      closelyUntilMs = sharedNowMs() + closelyForMs;
    },
    firstOutAtMs: (id, fromMs) => outAtMs.get(id)?.find((atMs) => atMs >= fromMs),
    untilReady: (ids) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(check);
          reject(new Error(`not all of ${ids.join(", ")} came back within ${untilReadyMs} ms`));
        }, untilReadyMs);
        function check() {
          if (!ids.every((id) => states.get(id) === "ready")) return;
          clearTimeout(timer);
          waiting.delete(check);
          resolve();
        }
        waiting.add(check);
      }),
    [Symbol.asyncDispose]: async () => {
      isClosed = true;
      await closed;
    },
  };
}
