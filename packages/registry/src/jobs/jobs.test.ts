import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ManualClock, manualClock } from "@tensorgate/core/testing";
import { beforeEach, expect, test } from "vitest";
import { openRegistry, type Registry } from "../registry.ts";
import { filesFrom, quickChanges, temporaryFolder } from "../testing.ts";
import type { Job } from "./job.ts";
import { type Jobs, openJobs } from "./jobs.ts";
import type { WorkerMessage, WorkerRequest } from "./worker-messages.ts";

/** A process of a job that says what the test says. */
interface FakeWorker {
  readonly request: WorkerRequest;
  say(message: WorkerMessage): void;
  end(how?: string): void;
  isKilled: boolean;
  bytes: number;
}

const script = new URL("file:///any.js");

let registry: Registry;
let jobs: Jobs;
let clock: ManualClock;
let started: PromiseWithResolvers<FakeWorker>;

beforeEach(async ({ onTestFinished }) => {
  const folder = temporaryFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  clock = manualClock();
  started = Promise.withResolvers();
  registry = openRegistry(folder.path, { changes: quickChanges });
  jobs = openJobs(folder.path, {
    changes: quickChanges,
    clock,
    createStarter: () => (request, onMessage) => {
      const ended = Promise.withResolvers<string>();
      const worker: FakeWorker = {
        request,
        say: onMessage,
        end: (how = "exit code 0") => ended.resolve(how),
        isKilled: false,
        bytes: 0,
      };
      started.resolve(worker);
      return {
        ended: ended.promise,
        memoryBytes: () => worker.bytes,
        kill: () => {
          worker.isKilled = true;
          ended.resolve("signal SIGKILL");
        },
      };
    },
  });
  await registry.register("m", { from: filesFrom({ "saved_model.pb": "graph" }) });
});

const run = (options: Partial<Parameters<Jobs["run"]>[1]> = {}) =>
  jobs.run("m", { kind: "convert", options: { outputs: ["y"] }, script, ...options });

test("what a job made is in the version when it is done, and its log tells the steps", async () => {
  const seen: string[] = [];
  const running = run({ onJob: ({ step }) => seen.push(step) });
  const worker = await started.promise;
  mkdirSync(join(worker.request.output, "parts"), { recursive: true });
  writeFileSync(join(worker.request.output, "model.onnx"), "onnx");
  writeFileSync(join(worker.request.output, "parts/weights.bin"), "w");
  worker.say({ kind: "step", text: "converting" });
  worker.say({ kind: "log", text: "12 nodes" });
  worker.say({ kind: "done", files: ["model.onnx", "parts/weights.bin"], result: { nodes: 12 } });
  worker.end();

  const job = await running;

  expect(worker.request).toMatchObject({ options: { outputs: ["y"] } });
  expect(job).toMatchObject({ kind: "convert", reference: "m@1", state: "done" });
  expect(job.result).toEqual({ nodes: 12 });
  expect(seen).toEqual(["starting", "converting"]);
  const { forms, folder } = await registry.version("m");
  expect(forms.onnx?.files.map(({ path }) => path)).toEqual(["model.onnx", "parts/weights.bin"]);
  expect(readFileSync(join(folder, "conversion.log"), "utf8")).toBe("converting\n12 nodes\ndone\n");
  expect(await jobs.log(job.id)).toContain("12 nodes");
});

test.each<{ name: string; end: (worker: FakeWorker) => void; says: string }>([
  {
    name: "says why",
    end: (worker) => {
      worker.say({ kind: "failed", message: "unknown operator Foo" });
      worker.end();
    },
    says: "unknown operator Foo",
  },
  {
    name: "dies",
    end: (worker) => worker.end("signal SIGSEGV"),
    says: "its process ended with signal SIGSEGV before it was done",
  },
  {
    name: "takes too long",
    end: () => clock.advance(600_000),
    says: "it took longer than 600 s (--timeout)",
  },
  {
    name: "needs too much memory",
    end: (worker) => {
      worker.bytes = 9e9;
      clock.advance(200);
    },
    says: "it needed more than 8590 MB of memory (--memory)",
  },
  {
    name: "lists a file that it has not written",
    end: (worker) => {
      worker.say({ kind: "done", files: ["model.onnx"], result: {} });
      worker.end();
    },
    says: "model.onnx not found",
  },
])("a job whose process $name has failed, and the version is as it was", async ({ end, says }) => {
  const running = run();
  end(await started.promise);

  const job = await running;

  expect(job.state).toBe("failed");
  expect(job.error).toContain(says);
  expect(await jobs.log(job.id)).toContain("failed: ");
  expect((await registry.version("m")).forms.onnx).toBeUndefined();
});

test("a job is cancelled by its caller", async () => {
  const abort = new AbortController();
  const running = run({ signal: abort.signal });
  const worker = await started.promise;

  abort.abort();

  expect((await running).state).toBe("cancelled");
  expect(worker.isKilled).toBe(true);
});

test("a job is cancelled by another process, which waits for its end", async () => {
  const begun = Promise.withResolvers<Job>();
  // Time is moved on without a look at how far the work is.
  const limits = { maxDurationMs: 1e12 };
  const running = run({ onJob: begun.resolve, limits });
  await started.promise;
  const { id } = await begun.promise;

  const cancelled = jobs.cancel(id.slice(0, 4));
  const isOver = Promise.race([cancelled, running]).then(() => true);
  let ticks = 0;
  while (!(await Promise.race([isOver, new Promise((next) => setImmediate(next, false))]))) {
    clock.advance(200);
    ticks += 1;
  }
  expect(ticks).toBeGreaterThan(0);
  await running;
  expect(await cancelled).toMatchObject({ id, state: "cancelled" });
});

test("a version has one job at a time", async () => {
  const running = run();
  const worker = await started.promise;

  await expect(run()).rejects.toThrow(/job [0-9a-f]{8} \(convert m@1\) is running; wait for it/);

  worker.end();
  await running;
  const [first] = await jobs.list();
  expect(first?.state).toBe("failed");
});

test("an unknown id is reported with the ids that there are", async () => {
  await expect(jobs.get("1234")).rejects.toThrow('no job "1234" in');
});

const shop = { name: "shop", namespace: "default" };
const deployed = (work: Parameters<Jobs["runForService"]>[1]["work"]) =>
  jobs.runForService(shop, { kind: "deploy", work });

test("a job on a service is listed with those of versions, by its user, with a log that stays", async () => {
  const first = await deployed(async (_, { step, log }) => {
    step("installing");
    log("revision 4");
    return { revision: 4 };
  });
  const second = await deployed(async () => {
    throw new Error("2 wanted, 1 free");
  });
  const running = run();
  (await started.promise).end();
  await running;

  expect(first).toMatchObject({ kind: "deploy", reference: "shop", state: "done" });
  expect(first.result).toEqual({ revision: 4 });
  expect(first.startedBy).toMatch(/^.+@.+$/);
  expect(second).toMatchObject({ state: "failed", error: "2 wanted, 1 free" });
  expect(await jobs.log(first.id)).toBe("installing\nrevision 4\ndone\n");
  expect(await jobs.log(second.id)).toBe("failed: 2 wanted, 1 free\n");
  expect((await jobs.list()).map(({ reference, state }) => `${reference} ${state}`)).toEqual([
    "m@1 failed",
    "shop failed",
    "shop done",
  ]);
  // The folder of services is no model.
  expect((await registry.models()).map(({ name }) => name)).toEqual(["m"]);
});

test("a service has one job at a time, and others of another namespace go on", async () => {
  const open = Promise.withResolvers<void>();
  const running = jobs.runForService(shop, {
    kind: "deploy",
    work: (_, { step }) => {
      step("installing");
      return open.promise;
    },
  });
  await expect.poll(async () => (await jobs.list())[0]?.step).toBe("installing");
  const id = (await jobs.list())[0]?.id ?? "";

  await expect(deployed(async () => {})).rejects.toThrow(`job ${id} (deploy shop) is running`);
  await expect(jobs.forgetService(shop)).rejects.toThrow(`job ${id} (deploy shop) is running`);
  const lab = { ...shop, namespace: "lab" };
  const other = await jobs.runForService(lab, { kind: "deploy", work: async () => {} });
  expect(other).toMatchObject({ reference: "lab/shop", state: "done" });

  open.resolve();
  expect((await running).state).toBe("done");
});

test("a service keeps its last 20 jobs, and none when it is forgotten", async () => {
  const ids: string[] = [];
  for (let at = 0; at < 22; at += 1) ids.push((await deployed(async () => {})).id);

  expect((await jobs.list()).map(({ id }) => id)).toEqual(ids.slice(2).toReversed());

  await jobs.forgetService(shop);
  await jobs.forgetService(shop);
  expect(await jobs.list()).toEqual([]);
  expect(existsSync(join(registry.directory, ".services"))).toBe(false);
});

test.each(["", "../m", "Shop", "a.b"])("%j is no service", async (name) => {
  const running = jobs.runForService({ ...shop, name }, { kind: "deploy", work: async () => {} });

  await expect(running).rejects.toThrow("invalid name of a service or namespace");
});
