import { execFileSync } from "node:child_process";
import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { createSignals } from "./signals.ts";

/** A process that notes what happens to it. */
function fakeProcess() {
  const events = new EventEmitter();
  const done: string[] = [];
  let nowMs = 0;
  const host = {
    pid: 7,
    on: (signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void) =>
      events.on(signal, listener),
    off: (signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void) =>
      events.off(signal, listener),
    kill: (_pid: number, signal: NodeJS.Signals) => done.push(`kill ${signal}`),
    exit: (code: number) => done.push(`exit ${code}`),
  };
  const signals = createSignals(host, () => nowMs);
  return {
    signals,
    done,
    /** Sends a signal, which has its usual effect where no listener is. */
    send: (signal: NodeJS.Signals) => {
      if (!events.emit(signal, signal)) done.push(`died of ${signal}`);
    },
    later: (ms: number) => {
      nowMs += ms;
    },
    serve: () => {
      const service = signals.serve({
        onHangup: () => done.push("reload"),
        onIgnored: (signal) => done.push(`ignored ${signal}`),
      });
      void service.stopped.then(() => done.push("stopped"));
    },
  };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const all: readonly NodeJS.Signals[] = ["SIGHUP", "SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2"];

test.each(all)("%s before it is known what runs has no effect yet", (signal) => {
  const { send, done } = fakeProcess();

  send(signal);

  expect(done).toEqual([]);
});

test.each(all)(
  "%s that came before has its usual effect on a command that only answers",
  (signal) => {
    const { send, signals, done } = fakeProcess();
    send(signal);

    signals.release();
    send(signal);

    expect(done).toEqual([`kill ${signal}`, `died of ${signal}`]);
  },
);

test.each([
  { before: "SIGHUP", effect: "reload" },
  { before: "SIGTERM", effect: "stopped" },
  { before: "SIGINT", effect: "stopped" },
  { before: "SIGUSR1", effect: "ignored SIGUSR1" },
] as const)("$before that came before a service began: $effect", async ({ before, effect }) => {
  const { send, serve, done } = fakeProcess();
  send(before);

  serve();
  await settled();

  expect(done).toEqual([effect]);
});

test.skipIf(process.platform === "win32")(
  "a signal that waits for the event loop's next turn stops the service that takes it before that",
  () => {
    const script = `
      const { createSignals } = await import(${JSON.stringify(import.meta.resolve("./signals.ts"))});
      const signals = createSignals();
      process.kill(process.pid, "SIGTERM");
      const { stopped } = signals.serve({ onHangup: () => {}, onIgnored: () => {} });
      void stopped.then((signal) => process.stdout.write(signal));
      await new Promise((resolve) => setImmediate(resolve));`;
    const args = ["--input-type=module", "--eval", script];

    expect(execFileSync(process.execPath, args, { encoding: "utf8" })).toBe("SIGTERM");
  },
);

test("no signal ends a service that drains, but a second SIGINT a second later", async () => {
  const { send, serve, later, done } = fakeProcess();
  serve();
  send("SIGTERM");
  await settled();
  done.length = 0;

  later(999);
  for (const signal of [...all, "SIGTERM" as const]) send(signal);
  later(1);
  for (const signal of all.filter((each) => each !== "SIGINT")) send(signal);
  expect(done).not.toContain("exit 130");
  expect(done).not.toContain("reload");
  expect(done.filter((each) => each.startsWith("died"))).toEqual([]);

  send("SIGINT");
  expect(done.at(-1)).toBe("exit 130");
});

test("a service that was taken later, as by attach --serve, has the signals back", async () => {
  const { signals, send, serve, done } = fakeProcess();
  signals.release();

  serve();
  send("SIGHUP");
  send("SIGTERM");
  await settled();

  expect(done).toEqual(["reload", "stopped"]);
});

test("a terminal that is gone stops a service that has nothing to reload", async () => {
  const { signals, send, done } = fakeProcess();
  const { stopped } = signals.serve({ onHangup: "stop", onIgnored: () => {} });
  void stopped.then(() => done.push("stopped"));

  send("SIGHUP");
  send("SIGHUP");
  await settled();

  expect(done).toEqual(["stopped"]);
});
