import { type CallContext, UpstreamAnsweredError } from "@tensorgate/core";
import { aCall } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { askNearest } from "./ask-nearest.ts";
import type { PoolReport } from "./scheduler/status.ts";

type Versions = Readonly<Record<string, readonly bigint[]>>;

function pool(region: string, roundTripMs: number, versions: Versions): PoolReport {
  return {
    model: "m",
    region,
    waiting: 0,
    roundTripMs,
    isOverloaded: false,
    replicas: Object.entries(versions).map(([id, listed]) => ({
      id,
      state: "ready",
      inFlight: 0,
      slots: 1,
      answered: 0,
      failed: 0,
      ejections: 0,
      versions: { listed, latest: listed[0] },
    })),
  };
}

const pools = [pool("far", 90, { c: [1n] }), pool("near", 0, { a: [1n], b: [2n, 1n] })];

interface Asking {
  readonly version?: bigint;
  readonly refusing?: readonly string[];
  readonly removed?: readonly string[];
  readonly among?: readonly PoolReport[];
}

/** Asks; the replicas of `refusing` do not have the model. @returns whom it asked */
async function askedBy(
  hints: CallContext["hints"],
  { version, refusing = [], removed = [], among = pools }: Asking,
) {
  const asked: string[] = [];
  const modelSpec = { name: "m", ...(version !== undefined && { version }) };
  const ask = (id: string) => async () => {
    asked.push(id);
    if (refusing.includes(id)) throw new UpstreamAnsweredError("no such model", 5);
    return id;
  };
  const query = { ask, modelSpec, call: aCall({ hints }), pools: among };
  const answer = await askNearest((id) => (removed.includes(id) ? undefined : id), query).catch(
    (error: { reason: string }) => error.reason,
  );
  return { asked, answer };
}

test("the nearest replica is asked first", async () => {
  expect(await askedBy({}, {})).toEqual({ asked: ["a"], answer: "a" });
});

test("a replica that was removed meanwhile is passed over", async () => {
  expect(await askedBy({}, { removed: ["a"] })).toEqual({ asked: ["b"], answer: "b" });
});

test("the preferred region is asked first", async () => {
  expect(await askedBy({ region: "far" }, {})).toEqual({ asked: ["c"], answer: "c" });
});

test("no replica outside the residency is asked", async () => {
  const refusing = ["a", "b"];

  expect(await askedBy({ residency: ["far"] }, {})).toEqual({ asked: ["c"], answer: "c" });
  expect(await askedBy({ residency: ["near"] }, { refusing })).toEqual({
    asked: ["a", "b"],
    answer: "upstream-answered",
  });
  expect(await askedBy({ residency: ["nowhere"] }, {})).toEqual({ asked: [], answer: "forbidden" });
});

test("that one replica does not have the model is not final", async () => {
  expect(await askedBy({}, { refusing: ["a", "b"] })).toEqual({
    asked: ["a", "b", "c"],
    answer: "c",
  });
});

test("a replica that has the version is asked before others", async () => {
  expect(await askedBy({}, { version: 2n })).toEqual({ asked: ["b"], answer: "b" });
  expect(await askedBy({}, { version: 3n, refusing: ["a", "b", "c"] })).toEqual({
    asked: ["a", "b", "c"],
    answer: "upstream-answered",
  });
});

test("no more than four replicas are asked", async () => {
  const among = [pool("near", 0, { a: [1n], b: [1n], c: [1n], d: [1n], e: [1n] })];
  const { asked } = await askedBy({}, { among, refusing: ["a", "b", "c", "d", "e"] });

  expect(asked).toEqual(["a", "b", "c", "d"]);
});
