import { manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import type { WorkerReport } from "./messages.ts";
import { createWorkerPool, type WorkerProcess } from "./worker-pool.ts";

const settled = () => new Promise((resolve) => setImmediate(resolve));

function fakePool(count: number) {
  const clock = manualClock();
  const lines: string[] = [];
  const started: ReturnType<typeof fakeProcess>[] = [];
  const log = {
    info: (line: string) => void lines.push(line),
    warn: (line: string) => void lines.push(line),
  };
  const pool = createWorkerPool({
    count,
    clock,
    random: () => 1,
    log,
    start: (number, port) => {
      const made = fakeProcess(number, port);
      started.push(made);
      return made.process;
    },
  });
  return { pool, clock, lines, started };
}

function fakeProcess(number: number, port: number | undefined) {
  const listening = Promise.withResolvers<WorkerReport>();
  const ended = Promise.withResolvers<string>();
  const told: string[] = [];
  listening.promise.catch(() => {});
  return {
    number,
    port,
    told,
    listen: () =>
      listening.resolve({ url: "http://a", port: 7, adminUrl: `http://admin-${number}` }),
    end: (how: string) => {
      listening.reject(new Error(`worker ${number} ended (${how})`));
      ended.resolve(how);
    },
    process: {
      pid: 100 + number,
      listening: listening.promise,
      ended: ended.promise,
      tell: ({ type }) => void told.push(type),
      kill: () => void told.push("kill"),
    } satisfies WorkerProcess,
  };
}

test("the others start when the first one listens, so that a port in use is reported once", async () => {
  const { pool, started } = fakePool(3);
  const start = pool.start();
  await settled();
  expect(started).toHaveLength(1);

  started[0]?.listen();
  await settled();
  expect(started.map(({ number, port }) => [number, port])).toEqual([
    [1, undefined],
    [2, 7],
    [3, 7],
  ]);
  for (const each of started) each.listen();

  await expect(start).resolves.toMatchObject({ url: "http://a" });
  expect(pool.serving().map(({ number, pid }) => [number, pid])).toEqual([
    [1, 101],
    [2, 102],
    [3, 103],
  ]);
});

test("a worker that cannot start ends the start", async () => {
  const { pool, started } = fakePool(2);
  const start = pool.start();
  await settled();

  started[0]?.end("code 1");

  await expect(start).rejects.toThrow("worker 1 ended (code 1)");
});

test("a worker that ends while the others start is replaced", async () => {
  const { pool, clock, started } = fakePool(2);
  const start = pool.start();
  await settled();
  started[0]?.listen();
  await settled();

  started[0]?.end("SIGKILL");
  await settled();
  started[1]?.listen();
  await start;
  clock.advance(100);

  expect(started.map(({ number }) => number)).toEqual([1, 2, 1]);
});

async function startedPool(count: number) {
  const made = fakePool(count);
  const start = made.pool.start();
  await settled();
  made.started[0]?.listen();
  await settled();
  for (const each of made.started) each.listen();
  await start;
  return made;
}

test("a worker that ends is replaced, at longer and longer intervals while it ends again", async () => {
  const { pool, clock, lines, started } = await startedPool(2);

  started[1]?.end("SIGKILL");
  await settled();
  expect(pool.serving().map(({ number }) => number)).toEqual([1]);
  expect(lines.at(-1)).toMatch(/^worker 2 ended \(SIGKILL\) and is replaced/);
  clock.advance(100);
  expect(started).toHaveLength(3);

  started[2]?.end("code 1");
  await settled();
  clock.advance(100);
  expect(started).toHaveLength(3);
  clock.advance(100);
  expect(started).toHaveLength(4);

  started[3]?.listen();
  await settled();
  expect(pool.serving().map(({ number }) => number)).toEqual([1, 2]);
  expect(lines.at(-1)).toBe("worker 2 serves again");
});

test("every worker gets a command, and a stop waits for all and replaces none", async () => {
  const { pool, clock, started } = await startedPool(2);
  pool.tellAll({ type: "configuration", options: { pools: [] } });
  let isStopped = false;
  const stop = pool.stop("SIGTERM", 1_000).then(() => {
    isStopped = true;
  });

  started[0]?.end("code 0");
  await settled();
  expect(isStopped).toBe(false);
  started[1]?.end("code 0");
  await stop;
  clock.advance(60_000);

  expect(started.map(({ told }) => told)).toEqual([
    ["configuration", "stop"],
    ["configuration", "stop"],
  ]);
  expect(started).toHaveLength(2);
});

test("a worker that has not ended in time is killed, and only that one", async () => {
  const { pool, clock, lines, started } = await startedPool(2);
  const stop = pool.stop("SIGTERM", 1_000);
  started[0]?.end("code 0");
  await settled();

  clock.advance(999);
  expect(started[1]?.told).toEqual(["stop"]);
  clock.advance(1);
  started[1]?.end("SIGKILL");
  await stop;

  expect(started.map(({ told }) => told)).toEqual([["stop"], ["stop", "kill"]]);
  expect(lines.at(-1)).toBe("worker 2 has not ended in time, and is killed");
});

test("a worker that hangs is killed and replaced", async () => {
  const { pool, clock, lines, started } = await startedPool(2);

  pool.kill(2);
  expect(lines.at(-1)).toBe("worker 2 does not answer, and is killed");
  expect(started.map(({ told }) => told)).toEqual([[], ["kill"]]);
  started[1]?.end("SIGKILL");
  await settled();
  clock.advance(100);

  expect(started.map(({ number }) => number)).toEqual([1, 2, 2]);
});
