import { SettingError } from "@tensorgate/core";
import { aCall, aRequest, manualClockAndRandom } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { startFakeReplica } from "../../../../test/support/fake-replica.ts";
import type { ReplicaPoolOptions } from "./options.ts";
import type { Replica } from "./replica.ts";
import { createReplicas } from "./replicas.ts";

const pool = (...addresses: readonly string[]): ReplicaPoolOptions => ({
  model: "m",
  region: "r",
  replicas: addresses,
});

function registry(...pools: readonly ReplicaPoolOptions[]) {
  const made = createReplicas(
    { pools },
    {
      ownRegion: "r",
      ...manualClockAndRandom(),
    },
  );
  let changeCount = 0;
  made.onChange(() => {
    changeCount += 1;
  });
  return {
    made,
    changeCount: () => changeCount,
    replica: (id: string): Replica => {
      const replica = made.byId.get(id);
      if (!replica) throw new Error(`there is no replica ${id}`);
      return replica;
    },
    [Symbol.dispose]: made.close,
  };
}

test("pools that reach an address in the same way share its replica", () => {
  const tls = {};
  using one = registry(
    pool("a:1", "b:1", "a:1"),
    { ...pool("a:1"), model: "other" },
    { ...pool("a:1"), tls },
    { ...pool("a:1"), tls, region: "s" },
  );

  expect(one.made.pools.map(({ replicaIds }) => replicaIds)).toEqual([
    ["a:1", "b:1"],
    ["a:1"],
    ["a:1#1"],
    ["a:1#1"],
  ]);
});

test("other pools take the place of those there are, and who stays is the same", () => {
  using one = registry(pool("a:1", "b:1"), { ...pool("a:1"), dialect: "azure-fpga" });
  const [before, ofFpga] = [one.made.byId.get("a:1"), one.made.byId.get("a:1#1")];

  one.made.replace([{ ...pool("a:1"), dialect: "azure-fpga" }, pool("a:1", "c:1")]);

  expect(one.made.pools.map(({ replicaIds }) => replicaIds)).toEqual([["a:1#1"], ["a:1", "c:1"]]);
  expect(one.made.byId.get("a:1")).toBe(before);
  expect(one.made.byId.get("a:1#1")).toBe(ofFpga);
  expect(one.changeCount()).toBe(1);
});

test("the same pools again change nothing", () => {
  using one = registry(pool("a:1"));
  const before = one.made.pools;

  one.made.replace([pool("a:1")]);

  expect(one.made.pools).toBe(before);
  expect(one.changeCount()).toBe(0);
});

test("pools that cannot be used change nothing", () => {
  using one = registry(pool("a:1"));
  const before = one.made.pools;
  const useless = { ...pool("c:1"), tls: { ca: "/nowhere/ca.pem" } };

  expect(() => one.made.replace([pool("b:1"), useless])).toThrow(SettingError);
  expect(() => one.made.replace([pool("b:1"), useless])).toThrow("pools[1].tls.ca");

  expect(one.made.pools).toBe(before);
  expect(one.made.byId.has("b:1")).toBe(false);
});

test("a replica that is dropped finishes what it has, and takes nothing new", async () => {
  await using server = await startFakeReplica();
  using one = registry(pool(server.address));
  const replica = one.replica(server.address);
  const answered = replica.score(aRequest, aCall());
  const arrived = await server.nextPredict();

  one.made.replace([]);
  expect(one.made.byId.get(server.address)).toBe(replica);
  await expect(replica.score(aRequest, aCall())).rejects.toMatchObject({ isUnprocessed: true });
  const connectionEnded = new Promise((resolve) => arrived.stream.session?.once("close", resolve));
  arrived.answer(0);

  expect((await answered).outputs.size).toBe(0);
  await connectionEnded;
  expect(one.made.byId.has(server.address)).toBe(false);
});

test("a replica that comes back while its last call is in flight is created again", async () => {
  await using server = await startFakeReplica();
  using one = registry(pool(server.address));
  const before = one.replica(server.address);
  const answeredBefore = before.score(aRequest, aCall());
  const first = await server.nextPredict();
  one.made.replace([]);

  one.made.replace([pool(server.address)]);
  const after = one.replica(server.address);
  const answeredAfter = after.score(aRequest, aCall());
  const second = await server.nextPredict();
  expect(second.stream.session).not.toBe(first.stream.session);
  first.answer(0);
  await answeredBefore;

  expect(after).not.toBe(before);
  expect(one.made.byId.get(server.address)).toBe(after);
  second.answer(0);
  await answeredAfter;
});

test("a replica that is gone is not found", async () => {
  using one = registry(pool("a:1"));
  expect(one.made.byId.has("a:1")).toBe(true);

  one.made.replace([pool("b:1")]);

  await expect.poll(() => one.made.byId.has("a:1")).toBe(false);
});
