import { expect, test } from "vitest";
import type { RoutingOptions } from "../../options.ts";
import { schedulerSettings } from "../../settings.ts";
import type { RoutedPool, SchedulerEvent } from "../events.ts";
import { createScheduler } from "../scheduler.ts";

const own = { model: "m", region: "here", replicaIds: ["a"], isGateway: false, parallelism: 1 };
const peer = { ...own, region: "there", replicaIds: ["gateway"], isGateway: true };

/** A scheduler before one device; time moves by hand. */
function rig(options: RoutingOptions) {
  const core = createScheduler(schedulerSettings(options, { ownRegion: "here" }));
  let nowMs = 0;
  let nextId = 0;
  const tell = (event: SchedulerEvent) => core.handle(event, nowMs);
  const ask = () => {
    nextId += 1;
    const sent = tell({
      type: "arrival",
      request: {
        id: nextId,
        model: "m",
        priority: "normal",
        deadlineMs: 60_000,
        isIdempotent: true,
        mayHedge: false,
        isForwarded: false,
        isTraced: false,
        residency: ["here"],
      },
    }).find(({ type }) => type === "send");
    return sent?.type === "send" ? sent.attemptId : undefined;
  };
  return {
    setPools: (...pools: readonly RoutedPool[]) => tell({ type: "pools", pools }),
    isReady: () => {
      tell({ type: "probed", model: "m", replicaId: "a", finding: "ready", roundTripMs: 0.2 });
    },
    /** Has it learn what a request takes. */
    learn: () => {
      for (let count = 0; count < 20; count += 1) {
        const attemptId = ask() ?? 0;
        nowMs += 10;
        tell({ type: "answered", attemptId });
      }
    },
    /** Whether the second of two requests is held back until the first should end. */
    isPaced: () => {
      const [first, second] = [ask(), ask()];
      nowMs += 10;
      const open = [first, second].filter((id) => id !== undefined);
      // One that was held back goes as soon as the first has ended.
      for (let id = open.shift(); id !== undefined; id = open.shift()) {
        const next = tell({ type: "answered", attemptId: id });
        open.push(...next.flatMap((each) => (each.type === "send" ? [each.attemptId] : [])));
      }
      return second === undefined;
    },
  };
}

test("a device is paced until the first peer comes, and again when the last one has gone", () => {
  const one = rig({});
  one.setPools(own);
  one.isReady();
  one.learn();
  expect(one.isPaced()).toBe(true);

  one.setPools(own, peer);
  expect(one.isPaced()).toBe(false);

  one.setPools(own);
  expect(one.isPaced()).toBe(true);
});

test("a peer whose address is not known yet counts", () => {
  const one = rig({});
  one.setPools(own);
  one.isReady();
  one.learn();

  one.setPools(own, { ...peer, replicaIds: [] });

  expect(one.isPaced()).toBe(false);
});

test("what the configuration says of pacing holds, whatever peers there are", () => {
  const one = rig({ pacing: true });
  one.setPools(own, peer);
  one.isReady();
  one.learn();

  expect(one.isPaced()).toBe(true);
});
