import { manualClockAndRandom } from "@tensorgate/core/testing";
import { expect, test, vi } from "vitest";
import { type Child, createChildSupervisor, type StartChild } from "./child-supervisor.ts";

function supervised() {
  const { clock, random } = manualClockAndRandom();
  const children: { readonly port: number; die(): void; readonly kill: () => void }[] = [];
  const onDeath = vi.fn();
  const startChild: StartChild = (port): Child => {
    let die: () => void = () => {};
    const ended = new Promise<void>((resolve) => {
      die = resolve;
    });
    const kill = vi.fn(() => die());
    children.push({ port, die, kill });
    return { listening: Promise.resolve(port === 0 ? 4_000 : port), ended, stop: () => {}, kill };
  };
  const supervisor = createChildSupervisor({
    startChild,
    onDeath,
    onReturn: () => {},
    clock,
    random,
  });
  return { supervisor, children, clock, onDeath };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("a child that dies is started again on the port it had", async () => {
  const { supervisor, children, clock, onDeath } = supervised();
  expect(await supervisor.start()).toBe(4_000);

  children[0]?.die();
  await settled();
  clock.advance(200);

  expect(onDeath).toHaveBeenCalledTimes(1);
  expect(children.map(({ port }) => port)).toEqual([0, 4_000]);
});

test("a child with a simulated outage stays away until the outage ends, on the same port", async () => {
  const { supervisor, children, clock, onDeath } = supervised();
  await supervisor.start();

  supervisor.beginOutage();
  await settled();
  clock.advance(60_000);
  expect(children).toHaveLength(1);
  expect(supervisor.hasOutage).toBe(true);
  expect(onDeath).not.toHaveBeenCalled();

  await supervisor.endOutage();
  expect(children.map(({ port }) => port)).toEqual([0, 4_000]);
  expect(supervisor.hasOutage).toBe(false);

  children[1]?.die();
  await settled();
  clock.advance(200);
  expect(children).toHaveLength(3);
});

test("a stopped child is not started again, and killed when its grace is over", async () => {
  const { supervisor, children, clock, onDeath } = supervised();
  await supervisor.start();

  const stopped = supervisor.stop(5_000);
  clock.advance(5_000);
  await stopped;
  clock.advance(60_000);

  expect(children).toHaveLength(1);
  expect(children[0]?.kill).toHaveBeenCalledTimes(1);
  expect(onDeath).not.toHaveBeenCalled();
});
