import http from "node:http";
import { pipeline } from "node:stream/promises";
import type { Clock, GatewayStatus } from "@tensorgate/core";
import { type AdminCall, type AdminRoute, sendJson } from "../../telemetry/admin-server.ts";
import { joinedMetrics } from "./worker-metrics.ts";
import type { ServingWorker, WorkerPool } from "./worker-pool.ts";
import { joinedStatus } from "./worker-status.ts";

type Workers = Pick<WorkerPool, "serving">;

/** Creates the routes that answer for all workers. */
export function workerRoutes(workers: Workers, clock: Clock): readonly AdminRoute[] {
  return [
    {
      method: "GET",
      path: "/metrics",
      isLocal: false,
      handle: async ({ response }) => {
        const answers = await answersOf(workers, "/metrics", { clock });
        const metrics = answers.map(({ worker: { number }, text }) => ({ number, text }));
        response.writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
        response.end(joinedMetrics(metrics));
      },
    },
    {
      method: "GET",
      path: "/status",
      isLocal: true,
      handle: async ({ response }) => {
        const answers = await statusesOf(workers, { clock });
        const [first, ...rest] = answers;
        if (!first) return noWorker(response);
        sendJson(response, 200, {
          ...joinedStatus([first.status, ...rest.map(({ status }) => status)]),
          workers: answers.map(({ worker: { number, pid }, status: { uptimeMs, log } }) => ({
            number,
            pid,
            uptimeMs,
            log,
          })),
        });
      },
    },
  ];
}

/** Interval at which the workers hear of each other, in milliseconds. */
const tellMs = 1_000;

/** Unanswered questions in a row, of `maxWaitMs` each, after which a worker hangs: it gets connections and answers none. */
const maxSilences = 10;

/**
 * Tells each worker how the others are doing, so that clients get the status of all from any. A worker that hangs is
 * ended, so that it is replaced.
 */
export function tellStatuses(
  workers: Pick<WorkerPool, "serving" | "tell" | "kill">,
  clock: Clock,
): Disposable {
  let timer: Disposable | undefined;
  let isOver = false;
  let silences = new Map<ServingWorker, number>();

  async function tellAll(): Promise<void> {
    const before = silences;
    silences = new Map();
    const onSilent = (worker: ServingWorker) => {
      const count = (before.get(worker) ?? 0) + 1;
      silences.set(worker, count);
      if (count === maxSilences) workers.kill(worker.number);
    };
    const answers = await statusesOf(workers, { clock, onSilent });
    for (const { worker } of answers) {
      const others = answers.filter((each) => each.worker !== worker);
      const statuses = others.map(({ status: { log: _log, ...status } }) => status);
      workers.tell(worker.number, { type: "others", statuses });
    }
  }

  function next(): void {
    if (isOver) return;
    timer = clock.setTimer(tellMs, () => void tellAll().then(next));
  }

  next();
  return {
    [Symbol.dispose]: () => {
      isOver = true;
      timer?.[Symbol.dispose]();
    },
  };
}

async function statusesOf(workers: Workers, how: Asking) {
  const answers = await answersOf(workers, "/status", how);
  return answers.map(({ worker, text }) => ({
    worker,
    status: JSON.parse(text) as GatewayStatus & { readonly log: object },
  }));
}

/** Passes a request to the first worker, for what concerns all and is kept in one place. */
export async function forwardToWorker(
  workers: Workers,
  { request, response }: AdminCall,
): Promise<void> {
  const [worker] = workers.serving();
  if (!worker) return noWorker(response);
  const { host: _host, ...headers } = request.headers;
  const { method = "GET", url = "/" } = request;
  const forwarded = http.request(new URL(url, worker.adminUrl), { method, headers });
  const answered = new Promise<http.IncomingMessage>((resolve, reject) => {
    forwarded.once("response", resolve).once("error", reject);
  });
  // A request that cannot be sent has no answer either: its error ends both.
  const [answer] = await Promise.all([answered, pipeline(request, forwarded)]).catch(
    ({ message }: Error) => {
      throw new Error(`worker ${worker.number} gave no answer: ${message}; ask again`);
    },
  );
  response.writeHead(answer.statusCode ?? 502, answer.headers);
  await pipeline(answer, response);
}

/** Longest that a worker may take to answer, in milliseconds; one that is busy for longer is left out. */
const maxWaitMs = 2_000;

interface Asking {
  readonly clock: Clock;
  /** Called for each worker that lets the time pass. */
  readonly onSilent?: (worker: ServingWorker) => void;
}

/** Asks every worker; those that do not answer are left out. */
async function answersOf(
  workers: Workers,
  path: string,
  { clock, onSilent }: Asking,
): Promise<readonly { readonly worker: ServingWorker; readonly text: string }[]> {
  const answers = await Promise.allSettled(
    workers.serving().map(async (worker) => {
      const waiting = new AbortController();
      using _limit = clock.setTimer(maxWaitMs, () => {
        waiting.abort();
        onSilent?.(worker);
      });
      const { signal } = waiting;
      const response = await fetch(new URL(path, worker.adminUrl), { signal });
      if (!response.ok) throw new Error(`status ${response.status}`);
      return { worker, text: await response.text() };
    }),
  );
  return answers.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
}

function noWorker(response: http.ServerResponse): void {
  sendJson(response, 503, { error: "no worker serves now" });
}
