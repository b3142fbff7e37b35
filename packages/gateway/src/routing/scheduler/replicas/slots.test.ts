import { expect, test } from "vitest";
import { createAdaptiveLimit, createRemoteLimit } from "./concurrency-limit.ts";
import { ReplicaSlots } from "./slots.ts";
import type { TakenSlot } from "./taken-slot.ts";

const settings = {
  parallelism: 1,
  isPaced: () => true,
  gateways: { gatewayCount: 1, ownLag: { ms: () => 0 } },
  roundTripMs: 0.4,
  initialServiceMs: 2,
  observer: { changed: () => {} },
};

test("the next request is timed to arrive when the one before ends", () => {
  const slots = new ReplicaSlots(settings);
  expect(slots.readySinceMs(0)).toBe(0);
  slots.send(0);

  // It arrives at 0.2 and is done at 2.2: the next one leaves 0.2 before that.
  expect(slots.readySinceMs(0.5)).toBeCloseTo(2);
});

test("a replica that is overdue gets nothing more until its reply comes", () => {
  const slots = new ReplicaSlots(settings);
  const slot = slots.send(0);

  expect(slots.readySinceMs(5)).toBe(Number.POSITIVE_INFINITY);
  expect(slots.answered(slot, 20.4)).toBeCloseTo(20);
  expect(slots.readySinceMs(20.4)).toBe(20.4);
});

test("a device has one slot more than it works on, so that it never waits for the next", () => {
  const slots = new ReplicaSlots({ ...settings, isPaced: () => false });
  slots.send(0);
  expect(slots.readySinceMs(0)).toBe(0);
  slots.send(0);

  expect(slots.readySinceMs(0)).toBe(Number.POSITIVE_INFINITY);
  expect(slots.slotCount).toBe(2);
});

test("slots cover the way to a replica once its service time is known, one more for each reply", () => {
  const slots = new ReplicaSlots({ ...settings, roundTripMs: 90 });
  const counts = Array.from({ length: 60 }, (_, id) => {
    const slot = slots.send(id * 1_000);
    slots.answered(slot, id * 1_000 + 92);
    return slots.slotCount;
  });

  expect(counts.slice(0, 6)).toEqual([2, 2, 2, 2, 3, 4]);
  expect(counts.at(-1)).toBe(46);
});

test("a reply shows that the way is no longer than it took", () => {
  const slots = new ReplicaSlots(settings);
  slots.observeRoundTrip(50);
  const slot = slots.send(0);
  slots.answered(slot, 8.5);

  expect(slots.roundTripMs).toBe(8.5);
});

test("a way that was measured too long does not queue requests at a replica", () => {
  const slots = new ReplicaSlots({ ...settings, isPaced: () => false });
  slots.observeRoundTrip(50);
  const serviceMs = 8;
  const sent: TakenSlot[] = [];
  let [nowMs, longest] = [0, 0];
  for (let reply = 0; reply < 100; reply += 1) {
    while (slots.readySinceMs(nowMs) <= nowMs) sent.push(slots.send(nowMs));
    longest = Math.max(longest, slots.inFlight(nowMs));
    nowMs += serviceMs;
    slots.answered(sent.shift() as TakenSlot, nowMs + 0.4);
  }

  expect(longest).toBeLessThanOrEqual(3);
});

test("a replica of another region is given more while none waits there, and less when some do", () => {
  const window = createRemoteLimit(1);
  expect(window.limit).toBe(2);
  for (let reply = 0; reply < 10; reply += 1) {
    window.observe({ nowMs: reply, wasFull: true, tookMs: 2, roundTripMs: 20, ownLagMs: 0 });
    window.observe({ nowMs: reply, wasFull: false, tookMs: 2, roundTripMs: 20, ownLagMs: 0 });
  }
  expect(window.limit).toBe(12);

  for (let reply = 0; reply < 5; reply += 1) {
    window.observe({ nowMs: reply, wasFull: true, tookMs: 20, roundTripMs: 20, ownLagMs: 0 });
  }
  expect(window.limit).toBe(7);
  window.onRejected({ inFlight: 7, sentMs: 0, nowMs: 1 });
  window.onRejected({ inFlight: 3, sentMs: 0, nowMs: 1 });
  expect(window.limit).toBe(2);
});

test("a replica that comes back gets one request at a time for a while", () => {
  const slots = new ReplicaSlots({ ...settings, isPaced: () => false });
  slots.limitToOne(1_100);
  expect(slots.readySinceMs(500)).toBe(500);
  slots.send(500);

  expect(slots.readySinceMs(501)).toBe(Number.POSITIVE_INFINITY);
  expect(slots.readySinceMs(1_100)).toBe(1_100);
});

test("an abandoned attempt holds its slot until it should be over", () => {
  const slots = new ReplicaSlots({ ...settings, isPaced: () => false });
  const slot = slots.send(0);
  slots.send(0);
  const freeMs = slots.abandoned(slot, 1);

  expect(freeMs).toBeCloseTo(2.4);
  expect(slots.inFlight(1)).toBe(2);
  expect(slots.readySinceMs(1)).toBeCloseTo(freeMs);
  expect(slots.inFlight(freeMs)).toBe(1);
});

test("a replica that rejects for want of capacity is paused for a moment, or until it answers", () => {
  const slots = new ReplicaSlots({ ...settings, isPaced: () => false });
  const first = slots.send(0);
  const second = slots.send(0);
  slots.free(second);
  slots.rejected({ sentMs: 0, nowMs: 1 });
  expect(slots.readySinceMs(1)).toBe(6);

  slots.answered(first, 2.4);
  expect(slots.readySinceMs(2.4)).toBe(2.4);
});

test("an event-loop stall does not count as service time", () => {
  const slots = new ReplicaSlots(settings);
  const slot = slots.send(0);
  slots.compensateStall(200);

  expect(slots.answered(slot, 202.4)).toBeCloseTo(2);
});

test("a shorter way counts immediately, a longer one by and by", () => {
  const slots = new ReplicaSlots(settings);
  slots.observeRoundTrip(1);
  expect(slots.roundTripMs).toBe(1);
  slots.observeRoundTrip(0.5);
  expect(slots.roundTripMs).toBe(0.5);
  slots.observeRoundTrip(10.5);

  expect(slots.roundTripMs).toBeCloseTo(1);
});

/** Keeps all slots of a server with a concurrency taken for a number of replies. @returns the limits */
function learn(concurrency: number, replies: number): readonly number[] {
  const learnt = createAdaptiveLimit(false);
  const limits: number[] = [];
  let nowMs = 0;
  for (let reply = 0; reply < replies; reply += 1) {
    nowMs += 2 / Math.min(learnt.limit, concurrency);
    learnt.observe({ nowMs, wasFull: true, tookMs: 2, roundTripMs: 20, ownLagMs: 0 });
    limits.push(learnt.limit);
  }
  return limits;
}

test.each([1, 4, 16, 40])(
  "a server with a concurrency of %i gets about as many slots",
  (concurrency) => {
    const limits = learn(concurrency, 40_000).slice(-10_000);

    const mean = limits.reduce((sum, limit) => sum + limit, 0) / limits.length;
    expect(mean).toBeGreaterThanOrEqual(concurrency * 0.95);
    expect(mean).toBeLessThanOrEqual(concurrency * 1.3 + 1);
  },
);

test("the limit stays while callers leave slots free", () => {
  const learnt = createAdaptiveLimit(false);
  for (let reply = 0; reply < 10_000; reply += 1)
    learnt.observe({ nowMs: reply, wasFull: false, tookMs: 2, roundTripMs: 20, ownLagMs: 0 });

  expect(learnt.limit).toBe(createAdaptiveLimit(false).limit);
});

test("a gateway whose own processor is the limit takes no slots away", () => {
  const learnt = createAdaptiveLimit(false);
  for (let reply = 0; reply < 10_000; reply += 1) {
    learnt.observe({ nowMs: reply, wasFull: true, tookMs: 8, roundTripMs: 0, ownLagMs: 4 });
  }

  expect(learnt.limit).toBe(createAdaptiveLimit(false).limit);
});

test("a server that rejects for want of capacity gets no more than it had", () => {
  const learnt = createAdaptiveLimit(false);
  learnt.onRejected({ inFlight: 3, sentMs: 0, nowMs: 1 });

  expect(learnt.limit).toBe(3);
});

test("a call of another gateway takes its way there and back, which is not the replica's time", () => {
  const slots = new ReplicaSlots({ ...settings, roundTripMs: 0.4, initialServiceMs: 2 });

  for (let attempt = 1; attempt <= 10; attempt += 1) {
    const slot = slots.send(100 * attempt, 0.5);
    expect(slot.startMs).toBeCloseTo(100 * attempt + 0.7);
    expect(slots.answered(slot, 100 * attempt + 3.4)).toBeCloseTo(2);
  }
  slots.send(2_000, 0.5);

  expect(slots).toMatchObject({ usualMs: expect.closeTo(2), roundTripMs: 0.4 });
  // The next one arrives when the first ends, 2.7 ms after it was sent, and is on its way for 0.7 ms.
  expect(slots.readySinceMs(2_000)).toBeCloseTo(2_002);
});

test("of shared slots a gateway has its part, and one at least", () => {
  const gateways = { gatewayCount: 1, ownLag: { ms: () => 0 } };
  const slots = new ReplicaSlots({
    ...settings,
    parallelism: 4,
    gateways,
    isPaced: () => false,
  });
  expect(slots.slotCount).toBe(8);

  gateways.gatewayCount = 3;
  slots.sharingChanged();
  expect(slots.slotCount).toBe(2);
  slots.send(0);
  expect(slots.readySinceMs(0)).toBe(0);
  slots.send(0);
  expect(slots.readySinceMs(0)).toBe(Number.POSITIVE_INFINITY);

  gateways.gatewayCount = 100;
  slots.sharingChanged();
  expect(slots.slotCount).toBe(1);
});

test("slots are found whichever of their neighbours are freed, from the front, the middle and the end", () => {
  const slots = new ReplicaSlots({ ...settings, parallelism: 8, isPaced: () => false });
  const [first, second, third, fourth] = [0, 1, 2, 3].map((nowMs) => slots.send(nowMs)) as [
    TakenSlot,
    TakenSlot,
    TakenSlot,
    TakenSlot,
  ];
  slots.free(second);
  const firstMs = slots.abandoned(first, 3);
  const fourthMs = slots.abandoned(fourth, 3);
  expect(fourthMs).toBeGreaterThan(firstMs);

  // That of the first comes before that of the fourth, which a list that was cut would not reach.
  expect(slots.freeWithoutReplyMs(0)).toBe(firstMs);
  slots.free(first);
  expect(slots.freeWithoutReplyMs(0)).toBe(fourthMs);
  slots.free(fourth);
  expect(slots.freeWithoutReplyMs(0)).toBe(Number.POSITIVE_INFINITY);
  const fifthMs = slots.abandoned(slots.send(4), 4);
  expect(slots.freeWithoutReplyMs(0)).toBe(fifthMs);
  slots.free(third);
  expect(slots.freeWithoutReplyMs(0)).toBe(fifthMs);
  expect(slots.inFlight(fifthMs)).toBe(0);
  const sixthMs = slots.abandoned(slots.send(100), 100);
  expect(slots.freeWithoutReplyMs(100)).toBe(sixthMs);
});
