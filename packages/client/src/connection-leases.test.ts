import { expect, test } from "vitest";
import { createConnectionLeases } from "./connection-leases.ts";

/** Leases of connections that are numbered from 1. */
function numberedLeases() {
  const closed: number[] = [];
  let count = 0;
  const leases = createConnectionLeases(() => {
    count += 1;
    const number = count;
    return { number, close: () => void closed.push(number) };
  });
  return { leases, closed };
}

test("calls share a connection, which stays open after them", () => {
  const { leases, closed } = numberedLeases();
  const first = leases.acquire();
  const second = leases.acquire();
  first.release();
  second.release();

  expect([first, second, leases.acquire()].map((each) => each.connection.number)).toEqual([
    1, 1, 1,
  ]);
  expect(closed).toEqual([]);
});

test("a retired connection gets no further calls, and closes with the last of those in flight", () => {
  const { leases, closed } = numberedLeases();
  const lost = leases.acquire();
  const inFlight = leases.acquire();
  lost.retire();
  lost.release();
  lost.release();

  expect(leases.acquire().connection.number).toBe(2);
  expect(closed).toEqual([]);
  inFlight.release();
  expect(closed).toEqual([1]);
});

test("calls that are given up on a retired connection do not replace the next one", () => {
  const { leases } = numberedLeases();
  const lost = [leases.acquire(), leases.acquire()];
  for (const lease of lost) lease.retire();

  expect(leases.acquire().connection.number).toBe(2);
});

test("all connections close together, and none is made after that", () => {
  const { leases, closed } = numberedLeases();
  const draining = leases.acquire();
  draining.retire();
  const current = leases.acquire();
  leases.close();
  current.retire();
  draining.release();

  expect(closed).toEqual([2, 1]);
  expect(leases.acquire().connection.number).toBe(2);
});
