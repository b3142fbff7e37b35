import { seededRandom } from "@tensorgate/core";
import { expect, test } from "vitest";
import { schedulerSettings } from "../../settings.ts";
import { ScheduledReplica } from "./replica.ts";
import { createReplicaIndex } from "./replica-index.ts";
import type { TakenSlot } from "./taken-slot.ts";

const settings = schedulerSettings({}, { ownRegion: "here" });

function membersOf(count: number, index: ReturnType<typeof createReplicaIndex>) {
  return Array.from({ length: count }, (_, number) => {
    // Servers with two at a time, learnt ones, and devices that are timed.
    const parallelism = number % 3 === 0 ? 2 : number % 3 === 1 ? ("auto" as const) : 1;
    return index.add(
      (observer) =>
        new ScheduledReplica(
          { id: `${number}`, parallelism, isGateway: number % 7 === 6 },
          {
            ...settings,
            model: "m",
            isRemote: number % 5 === 4,
            roundTripMs: 0.5,
            isPaced: () => parallelism === 1,
            gateways: { gatewayCount: 1, ownLag: { ms: () => 0 } },
            observer,
          },
        ),
    );
  });
}

/** Finds by passing over all replicas what the index keeps. */
function passOver(replicas: readonly ScheduledReplica[], nowMs: number) {
  const serving = replicas.filter(({ isServing }) => isServing);
  const sum = (figureOf: (replica: ScheduledReplica) => number) =>
    serving.reduce((total, replica) => total + figureOf(replica), 0);
  const ready = serving.filter(({ slots }) => slots.readySinceMs(nowMs) <= nowMs);
  const [soonest] = ready.toSorted(
    ({ slots: one }, { slots: other }) =>
      one.inFlight(nowMs) - other.inFlight(nowMs) || one.lastSentMs - other.lastSentMs,
  );
  return {
    soonest: soonest?.member.id,
    readyMs: Math.min(...serving.map(({ slots }) => slots.readySinceMs(nowMs))),
    roundTripMs: Math.min(...serving.map(({ slots }) => slots.roundTripMs)),
    fastestMs: Math.min(...serving.map(({ slots }) => slots.usualMs)),
    totals: {
      servingCount: serving.length,
      gatewayCount: sum(({ member }) => Number(member.isGateway)),
      parallelism: sum(({ slots }) => slots.parallelism),
      slotCount: sum(({ slots }) => slots.slotCount),
      inFlight: sum(({ slots }) => slots.inFlight(nowMs)),
      busy: sum(({ slots }) => Math.min(slots.inFlight(nowMs), slots.parallelism)),
      capacityPerMs: sum(({ slots }) => slots.parallelism / Math.max(slots.takenMs, 0.01)),
      probingCount: replicas.filter((each) => !each.isServing && each.isProbing).length,
    },
  };
}

const changes = ["suspect", "eject", "warming", "drain", "readmit"] as const;

test.each([1, 2, 3, 4])(
  "whatever happens, it says what a pass over all replicas would: seed %i",
  (seed) => {
    const { next: random } = seededRandom(seed);
    const index = createReplicaIndex();
    const replicas = membersOf(12, index);
    const inFlight: { slot: TakenSlot; replica: ScheduledReplica }[] = [];
    const anyOf = <Item>(items: readonly Item[]) => items[Math.floor(random() * items.length)];
    let nowMs = 0;
    for (const replica of replicas) replica.change({ probe: "ready" }, nowMs);

    for (let step = 0; step < 3_000; step += 1) {
      nowMs += random() * 2;
      const replica = anyOf(replicas) as ScheduledReplica;
      const found = index.soonest(nowMs);
      const isReady = found !== undefined && found.atMs <= nowMs;
      const what = random();
      if (what < 0.5 && isReady) {
        inFlight.push({ slot: found.replica.slots.send(nowMs), replica: found.replica });
      } else if (what < 0.8) {
        const [ended] = inFlight.splice(Math.floor(random() * inFlight.length), 1);
        if (ended && what < 0.7) ended.replica.slots.answered(ended.slot, nowMs);
        else if (ended && what < 0.74) ended.replica.slots.failed(ended.slot);
        else ended?.replica.slots.abandoned(ended.slot, nowMs);
      } else if (what < 0.84) replica.slots.observeRoundTrip(random() * 3);
      else if (what < 0.86) replica.slots.rejected({ sentMs: nowMs, nowMs });
      else if (what < 0.88) replica.change(anyOf(changes) ?? "drain", nowMs);
      else if (what < 0.97) replica.change({ probe: "ready" }, nowMs);
      else if (what < 0.98) replica.slots.compensateStall(random() * 20);

      const expected = passOver(replicas, nowMs);
      const { capacityPerMs, ...counts } = index.totals(nowMs);
      const { capacityPerMs: expectedPerMs, ...expectedCounts } = expected.totals;
      expect(counts, `step ${step}`).toEqual(expectedCounts);
      expect(capacityPerMs).toBeCloseTo(expectedPerMs, 6);
      expect(index.least("roundTripMs")).toBe(expected.roundTripMs);
      expect(index.least("usualMs")).toBe(expected.fastestMs);
      const soonest = index.soonest(nowMs);
      if (expected.readyMs > nowMs) {
        expect(soonest?.atMs ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(expected.readyMs);
      } else expect(soonest).toEqual({ replica: expect.anything(), atMs: nowMs });
      if (soonest && soonest.atMs <= nowMs)
        expect(soonest.replica.member.id).toBe(expected.soonest);
    }
  },
);

test("a replica that was removed adds nothing more", () => {
  const index = createReplicaIndex();
  const [replica] = membersOf(1, index) as [ScheduledReplica];
  replica.change({ probe: "ready" }, 0);
  expect(index.totals(0).servingCount).toBe(1);
  const slot = replica.slots.send(0);
  index.remove(replica);
  replica.slots.answered(slot, 1);

  expect(index.totals(1)).toMatchObject({ servingCount: 0, slotCount: 0, capacityPerMs: 0 });
  expect(index.soonest(1)).toBeUndefined();
  expect(index.least("usualMs")).toBe(Number.POSITIVE_INFINITY);
});
