import { seededRandom } from "@tensorgate/core";
import { expect, test } from "vitest";
import { schedulerSettings } from "../../settings.ts";
import { ScheduledReplica } from "./replica.ts";
import { createReplicaIndex } from "./replica-index.ts";
import type { TakenSlot } from "./taken-slot.ts";

const settings = schedulerSettings({}, { ownRegion: "here" });

/** Adds a replica: a server with two at a time, one whose limit is learned, or a device that is timed. */
function addTo(index: ReturnType<typeof createReplicaIndex>, number: number): ScheduledReplica {
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
}

function membersOf(count: number, index: ReturnType<typeof createReplicaIndex>) {
  return Array.from({ length: count }, (_, number) => addTo(index, number));
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
    let addedCount = replicas.length;
    for (const replica of replicas) replica.change({ probe: "ready" }, nowMs);

    for (let step = 0; step < 4_000; step += 1) {
      nowMs += random() * 2;
      const replica = anyOf(replicas) as ScheduledReplica;
      const found = index.soonest(nowMs);
      const isReady = found !== undefined && found.atMs <= nowMs;
      const what = random();
      if (what < 0.5 && isReady) {
        inFlight.push({ slot: found.replica.slots.send(nowMs), replica: found.replica });
      } else if (what < 0.8) {
        // Of replicas that are gone, too.
        const [ended] = inFlight.splice(Math.floor(random() * inFlight.length), 1);
        if (ended && what < 0.7) ended.replica.slots.answered(ended.slot, nowMs);
        else if (ended && what < 0.74) ended.replica.slots.free(ended.slot);
        else ended?.replica.slots.abandoned(ended.slot, nowMs);
      } else if (what < 0.84) replica.slots.observeRoundTrip(random() * 3);
      else if (what < 0.86) replica.slots.rejected({ sentMs: nowMs, nowMs });
      else if (what < 0.88) replica.change(anyOf(changes) ?? "drain", nowMs);
      else if (what < 0.96) replica.change({ probe: "ready" }, nowMs);
      else if (what < 0.97) replica.slots.compensateStall(random() * 20);
      else if (what < 0.98 && replicas.length > 2) {
        index.remove(replica);
        replicas.splice(replicas.indexOf(replica), 1);
      } else if (what < 0.99 && replicas.length < 24) {
        replicas.push(addTo(index, addedCount));
        addedCount += 1;
      }

      // Before the pass, which lets each replica take out what it should be done with.
      const { capacityPerMs, ...counts } = index.totals(nowMs);
      const leastMs = { roundTrip: index.least("roundTripMs"), usual: index.least("usualMs") };
      const soonest = index.soonest(nowMs);
      const expected = passOver(replicas, nowMs);
      const { capacityPerMs: expectedPerMs, ...expectedCounts } = expected.totals;
      expect(counts, `step ${step}`).toEqual(expectedCounts);
      expect(capacityPerMs).toBeCloseTo(expectedPerMs, 6);
      expect(leastMs).toEqual({ roundTrip: expected.roundTripMs, usual: expected.fastestMs });
      if (expected.readyMs > nowMs) {
        expect(soonest?.atMs ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(expected.readyMs);
      } else expect(soonest).toEqual({ replica: expect.anything(), atMs: nowMs });
      if (soonest && soonest.atMs <= nowMs)
        expect(soonest.replica.member.id).toBe(expected.soonest);
    }
  },
);

test("what sums of fractions lose is found again", () => {
  const { next: random } = seededRandom(1);
  const index = createReplicaIndex();
  const replicas = membersOf(5, index);
  for (const replica of replicas) replica.change({ probe: "ready" }, 0);
  const learnt = replicas[1] as ScheduledReplica;
  index.totals(0);
  // With those of the five that were added, as many changes as are allowed to drift.
  for (let count = 5; count < 10_000; count += 1) {
    learnt.slots.observeRoundTrip(random() * 50);
    index.totals(0);
  }

  const perMs = replicas.map(({ slots }) => slots.parallelism / Math.max(slots.takenMs, 0.01));
  expect(index.totals(0).capacityPerMs).toBe(perMs.reduce((sum, each) => sum + each, 0));
});

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
