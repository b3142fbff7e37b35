import { UpstreamAnsweredError, UpstreamFailedError } from "@tensorgate/core";
import { aCall, manualClock } from "@tensorgate/core/testing";
import { expect, test, vi } from "vitest";
import { type Attempt, dispatcher } from "./dispatch.ts";
import { routingDefaults } from "./options.ts";
import type { ReplicaPool } from "./replica-pool.ts";

function fakePool(region: string, replicaIds: readonly string[]) {
  return {
    model: "shapes",
    region,
    take: (tried) => replicaIds.find((id) => !tried.has(id)),
    release: vi.fn(),
    states: () => [],
    close: () => {},
  } satisfies ReplicaPool;
}

const lost = new UpstreamFailedError("lost", { wasLost: true });

function dispatchOver(pools: readonly ReplicaPool[]) {
  const clock = manualClock();
  return {
    clock,
    dispatch: dispatcher({ pools, ownRegion: "westeurope", options: routingDefaults, clock }),
  };
}

test("a failed attempt is made again elsewhere, first in the region, then beyond", async () => {
  const { dispatch } = dispatchOver([
    fakePool("eastus", ["c"]),
    fakePool("westeurope", ["a", "b"]),
  ]);
  const attempt = vi.fn<Attempt<string>>(async (id) => {
    if (id !== "c") throw lost;
    return id;
  });

  const done = await dispatch("shapes", aCall(), attempt);

  expect(done).toEqual({ answer: "c", region: "eastus" });
  expect(attempt.mock.calls.map(([id]) => id)).toEqual(["a", "b", "c"]);
});

test("what the replica blames on the request is not asked again", async () => {
  const near = fakePool("westeurope", ["a", "b"]);
  const { dispatch } = dispatchOver([near]);
  const blamed = new UpstreamAnsweredError("bad", 3);

  await expect(dispatch("shapes", aCall(), () => Promise.reject(blamed))).rejects.toBe(blamed);
  expect(near.release.mock.calls).toEqual([["a", "answered", 0]]);
});

test("attempts that may have reached a replica are bounded, others are free", async () => {
  const ids = ["a", "b", "c", "d", "e", "f", "g"];
  const sent = vi.fn(() => Promise.reject(lost));
  const refused = vi.fn(() =>
    Promise.reject(new UpstreamFailedError("refused", { wasLost: true, wasNeverSent: true })),
  );

  const { dispatch } = dispatchOver([fakePool("westeurope", ids)]);
  await expect(dispatch("shapes", aCall(), sent)).rejects.toBe(lost);
  await expect(dispatch("shapes", aCall(), refused)).rejects.toThrow("refused");

  expect(sent).toHaveBeenCalledTimes(routingDefaults.maxAttempts);
  expect(refused).toHaveBeenCalledTimes(ids.length);
});

test("no attempt is made after the deadline", async () => {
  const { dispatch, clock } = dispatchOver([fakePool("westeurope", ["a"])]);
  clock.advance(1_000);
  const attempt = vi.fn();

  await expect(dispatch("shapes", aCall(), attempt)).rejects.toThrow("deadline");
  expect(attempt).not.toHaveBeenCalled();
});

test("a model whose replicas are all out says when to come again", async () => {
  const { dispatch } = dispatchOver([fakePool("westeurope", [])]);

  await expect(dispatch("shapes", aCall(), vi.fn())).rejects.toMatchObject({
    reason: "no-replica",
    retryAfterMs: 250,
  });
});

test("residency that leaves no region is forbidden, not unavailable", async () => {
  const { dispatch } = dispatchOver([fakePool("westeurope", ["a"])]);
  const call = aCall({ wishes: { residency: ["eastus"] } });

  await expect(dispatch("shapes", call, vi.fn())).rejects.toMatchObject({ reason: "forbidden" });
});
