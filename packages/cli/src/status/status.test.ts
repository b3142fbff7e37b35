import type { GatewayStatus, ReplicaStatus } from "@tensorgate/client";
import { expect, test } from "vitest";
import { createLiveScreen } from "./live-screen.ts";
import { createLiveView } from "./live-view.ts";
import { statusEvents } from "./status-events.ts";
import { statusTable } from "./status-table.ts";

const replica = (id: string, given: Partial<ReplicaStatus> = {}): ReplicaStatus => ({
  id,
  state: "ready",
  inFlight: 0,
  slots: 2,
  answered: 0,
  failed: 0,
  ejections: 0,
  ...given,
});

const statusOf = (...replicas: readonly ReplicaStatus[]): GatewayStatus => ({
  version: "0.1.0",
  region: "westeurope",
  uptimeMs: 7_380_000,
  retriesLeft: 12,
  regions: [
    {
      name: "westeurope",
      roundTripMs: 0,
      pools: [{ model: "shapes", waiting: 3, expectedWaitMs: 4.25, isOverloaded: false, replicas }],
    },
    {
      name: "eastus",
      roundTripMs: 90.4,
      hasOutage: true,
      pools: [{ model: "shapes", waiting: 0, isOverloaded: true, replicas: [] }],
    },
  ],
});

const well = statusOf(
  replica("westeurope-1", { inFlight: 1, serviceMs: 2, latencyMs: 12.3, answered: 1_234 }),
  replica("westeurope-2", { state: "suspect", failed: 3, ejections: 1 }),
);

test("the table has regions, their pools and their replicas, in line", () => {
  expect(statusTable(well, { width: 200, hasColours: false })).toEqual([
    "tensorgate 0.1.0 in westeurope, up 2 h 3 min, 12 retries left",
    "",
    "replica           state    in flight  service  latency  answered  failed  ejections",
    "westeurope (here)",
    "  shapes: 3 waiting, expected wait 4.3 ms",
    "    westeurope-1  ready          1/2   2.0 ms    12 ms      1234       0          0",
    "    westeurope-2  suspect        0/2        –        –         0       3          1",
    "eastus, 90 ms away, simulated outage",
    "  shapes: 0 waiting, no replica available, overloaded",
  ]);
});

test.each([
  { role: "owner" as const, text: "gives the slots to 3 gateways" },
  { role: "follower" as const, text: "gets its slots from another of 3 gateways" },
  { role: "alone" as const, text: "alone, with 1/3 of the slots: no answer" },
])("a gateway that is $role says so", ({ role, text }) => {
  const sharing = { role, gatewayCount: 3, ownersLost: 1, because: "no answer" };

  const [, line] = statusTable({ ...well, sharing }, { width: 200, hasColours: false });

  expect(line).toBe(`${text}, lost its owner 1 time`);
});

test("what does not fit is left out, and nothing is wider than the terminal", () => {
  const lines = statusTable(well, { width: 55, hasColours: false });

  expect(lines[2]).toBe("replica           state    in flight  failed  ejections");
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(55);
});

test("states have colours where there are some", () => {
  const text = statusTable(well, { width: 200, hasColours: true }).join("\n");

  expect(text).toContain("\u001b[32mready\u001b[39m  ");
  expect(text).toContain("\u001b[33msuspect\u001b[39m");
});

test.each([
  {
    because: "another state",
    now: statusOf(replica("a", { state: "ejected" })),
    events: ["a of shapes ready → ejected"],
  },
  {
    because: "out and back between two updates",
    now: statusOf(replica("a", { ejections: 1 })),
    events: ["a of shapes ready, was ejected meanwhile"],
  },
  {
    because: "one came and one went",
    now: statusOf(replica("b", { state: "warming" })),
    events: ["b of shapes added: warming", "a of shapes removed"],
  },
  { because: "nothing", now: statusOf(replica("a", { answered: 9 })), events: [] },
  {
    because: "one that is out stays out",
    before: statusOf(replica("a", { state: "ejected", ejections: 1 })),
    now: statusOf(replica("a", { state: "ejected", ejections: 2 })),
    events: [],
  },
  {
    because: "names start over",
    now: { ...statusOf(replica("b")), uptimeMs: 5 },
    events: ["the gateway was restarted"],
  },
])("events between two updates: $because", ({ before = statusOf(replica("a")), now, events }) => {
  expect(statusEvents(before, now)).toEqual(events);
});

test("free devices stand above the table, only if the gateway counts them", () => {
  const regions = [{ name: "eastus", freeCount: 0, totalCount: 2 }];
  const capacity = { devices: [{ resource: "xilinx.com/fpga", regions }], ageMs: 1 };
  const second = (status: GatewayStatus) => statusTable(status, { ...form, width: 48 })[1];

  expect(second({ ...well, capacity })).toBe("no free xilinx.com/fpga in eastus (2 in use)");
  expect(second(well)).toBe("");
});

const form = { width: 80, height: 40, hasColours: false };

test("the last events are below the table, and a lost gateway is one event", () => {
  const view = createLiveView();

  view.update(statusOf(replica("a")), "12:00:00");
  view.update(statusOf(replica("a", { state: "suspect" })), "12:00:01");
  view.lost("connect ECONNREFUSED", "12:00:02");
  view.lost("connect ECONNREFUSED", "12:00:03");

  expect(view.lines(form).slice(-5)).toEqual([
    "",
    "12:00:01 a of shapes ready → suspect",
    "12:00:02 the gateway does not respond",
    "",
    "last known state; retrying: connect ECONNREFUSED",
  ]);
  view.update(statusOf(replica("a")), "12:00:04");
  expect(view.lines(form).slice(-2)).toEqual([
    "12:00:04 the gateway responds again",
    "12:00:04 a of shapes suspect → ready",
  ]);
});

test("a terminal that is too low keeps the events, and says what it hides", () => {
  const view = createLiveView();
  view.update(statusOf(replica("a")), "12:00:00");
  view.update(statusOf(), "12:00:01");

  const lines = view.lines({ ...form, height: 6 });

  expect(lines).toHaveLength(6);
  expect(lines.slice(-3)).toEqual(["… 4 more lines", "", "12:00:01 a of shapes removed"]);
});

test("a screen is drawn in place, in one piece each time, and given back once", () => {
  const written: string[] = [];
  const screen = createLiveScreen({ write: (text) => written.push(text) });
  screen.end();
  expect(written).toEqual([]);

  screen.draw(["one", "two"]);
  screen.draw(["three"]);
  screen.end(["last"]);
  screen.end();

  const esc = "\u001b[";
  expect(written).toEqual([
    `${esc}?1049h${esc}?25l${esc}?7l${esc}?2026h${esc}Hone${esc}K\r\ntwo${esc}K${esc}J${esc}?2026l`,
    `${esc}?2026h${esc}Hthree${esc}K${esc}J${esc}?2026l`,
    `${esc}?7h${esc}?25h${esc}?1049llast\n`,
  ]);
});
