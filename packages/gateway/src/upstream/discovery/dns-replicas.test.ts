import { readFileSync } from "node:fs";
import type { TLSSocket } from "node:tls";
import { aCall, aRequest, manualClockAndRandom } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { hasOpenssl, testCertificates } from "../../../../../test/support/certificates.ts";
import { startFakeReplica } from "../../../../../test/support/fake-replica.ts";
import type { ReplicaPoolOptions } from "../options.ts";
import { createReplicas } from "../replicas.ts";

/** A registry whose names have the addresses that a test says. */
function registry(pools: readonly ReplicaPoolOptions[], names: Record<string, readonly string[]>) {
  const { clock, random } = manualClockAndRandom();
  let resolvedCount = 0;
  const made = createReplicas(
    { pools },
    {
      ownRegion: "r",
      lookup: async (hostname) => {
        resolvedCount += 1;
        return names[hostname] ?? [];
      },
      clock,
      random,
    },
  );
  return {
    made,
    clock,
    resolvedCount: () => resolvedCount,
    ids: () => made.pools.map(({ replicaIds }) => replicaIds),
    [Symbol.dispose]: made.close,
  };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const pool = (...addresses: readonly string[]): ReplicaPoolOptions => ({
  model: "m",
  region: "r",
  replicas: addresses,
});

test("pools fill and empty as their names are resolved; pools with the same name share its replicas", async () => {
  const names: Record<string, readonly string[]> = { a: ["10.0.0.4", "fd00::1"] };
  using one = registry(
    [pool("dns:///a:80", "10.0.0.4:80"), { ...pool("dns:///a:80"), tls: {} }],
    names,
  );
  expect(one.ids()).toEqual([["10.0.0.4:80"], []]);

  await settled();
  expect(one.ids()).toEqual([
    ["10.0.0.4:80/a", "[fd00::1]:80/a", "10.0.0.4:80"],
    ["10.0.0.4:80/a#1", "[fd00::1]:80/a#1"],
  ]);
  expect(one.resolvedCount()).toBe(1);
  const kept = one.made.byId.get("10.0.0.4:80/a");

  names["a"] = ["10.0.0.4", "10.0.0.5"];
  let changeCount = 0;
  one.made.onChange(() => {
    changeCount += 1;
  });
  one.clock.advance(30_000);
  await settled();

  expect(one.ids()[0]).toEqual(["10.0.0.4:80/a", "10.0.0.5:80/a", "10.0.0.4:80"]);
  expect(changeCount).toBe(1);
  expect(one.made.byId.get("10.0.0.4:80/a")).toBe(kept);
  expect(one.made.byId.has("[fd00::1]:80/a")).toBe(false);
});

test("a lost replica has the names of its pool resolved again", async () => {
  const names: Record<string, readonly string[]> = { a: ["10.0.0.4"], b: ["10.0.0.5"] };
  using one = registry([pool("dns:///a:80"), { ...pool("dns:///b:80"), region: "s" }], names);
  await settled();
  one.clock.advance(1_000);
  names["a"] = ["10.0.0.6"];

  one.made.refresh("10.0.0.4:80/a");
  one.made.refresh("nobody");
  await settled();

  expect(one.resolvedCount()).toBe(3);
  expect(one.ids()).toEqual([["10.0.0.6:80/a"], ["10.0.0.5:80/b"]]);
});

test("other pools keep what is known of the names that stay, and forget the others", async () => {
  using one = registry([pool("dns:///a:80", "dns:///b:80")], { a: ["10.0.0.4"], b: ["10.0.0.5"] });
  await settled();

  one.made.replace([pool("dns:///a:80")]);

  expect(one.ids()).toEqual([["10.0.0.4:80/a"]]);
  expect(one.clock.pendingTimersMs()).toEqual([30_000]);
});

test("calls go to the address, and name the name", async () => {
  await using server = await startFakeReplica();
  const port = server.address.split(":")[1];
  using one = registry([pool(`dns:///replica.internal:${port}`)], {
    "replica.internal": ["127.0.0.1"],
  });
  await settled();

  const answered = one.made.byId
    .get(`127.0.0.1:${port}/replica.internal`)
    ?.score(aRequest, aCall());
  const { headers, answer } = await server.nextPredict();
  answer(0);

  await answered;
  expect(headers[":authority"]).toBe(`replica.internal:${port}`);
});

test.skipIf(!hasOpenssl)("a certificate is for the name, not for the address", async () => {
  using files = testCertificates();
  const tls = { cert: readFileSync(files.serverCertFile), key: readFileSync(files.serverKeyFile) };
  await using server = await startFakeReplica({ tls });
  const port = server.address.split(":")[1];
  const poolOf = (name: string): ReplicaPoolOptions => ({
    ...pool(`dns:///${name}:${port}`),
    tls: { ca: files.caFile },
  });
  using one = registry([poolOf("localhost"), poolOf("elsewhere.internal")], {
    localhost: ["127.0.0.1"],
    "elsewhere.internal": ["127.0.0.1"],
  });
  await settled();

  const answered = one.made.byId.get(`127.0.0.1:${port}/localhost#1`)?.score(aRequest, aCall());
  const { stream, answer } = await server.nextPredict();
  expect((stream.session?.socket as TLSSocket | undefined)?.servername).toBe("localhost");
  answer(0);
  await answered;

  const refused = one.made.byId
    .get(`127.0.0.1:${port}/elsewhere.internal#1`)
    ?.score(aRequest, aCall());
  const failure: unknown = await refused?.catch((thrown: unknown) => thrown);
  expect(failure).toMatchObject({ isUnprocessed: true });
  expect(String((failure as Error).cause)).toContain("altnames: Host: elsewhere.internal");
});
