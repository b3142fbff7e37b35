import type { ModelOptions } from "@tensorgate/gateway";
import { expect, test } from "vitest";
import { startFakeReplica } from "../support/fake-replica.ts";
import { classScores } from "../support/family-answers.ts";
import { startGateway } from "../support/running-gateway.ts";
import {
  classify,
  classModel,
  poolOf,
  startBefore,
  startVersioned,
} from "../support/versioned-replicas.ts";
import { fillSlots } from "../support/waiting.ts";

const versionsTold = async (url: string) => {
  const { versions } = (await (await fetch(`${url}/v1/catalog/m`)).json()) as {
    readonly versions: readonly string[];
  };
  return versions;
};

test("a call that names a version goes only to replicas that have it", async () => {
  await using old = await startVersioned([1n]);
  await using both = await startVersioned([1n, 2n]);
  await using running = await startBefore([old, both]);

  for (let count = 0; count < 20; count += 1) {
    expect(await classify(running.url, "?version=2")).toMatchObject({ status: 200, version: "2" });
  }

  expect([old.predictCount(), old.answeredCount()]).toEqual([0, 0]);
  expect(both.answeredCount()).toBe(20);
});

test("a version that no replica has is unknown, and the hint lists those there are", async () => {
  await using old = await startVersioned([1n]);
  await using both = await startVersioned([1n, 2n]);
  await using running = await startBefore([old, both]);

  expect(await classify(running.url, "?version=3")).toMatchObject({
    status: 404,
    reason: "unknown-version",
    hint: "its versions: 2, 1",
  });
  expect(old.answeredCount() + both.answeredCount()).toBe(0);
});

test("a version is found immediately where it has just come, however long ago the last probe was", async () => {
  await using a = await startVersioned([1n]);
  await using b = await startVersioned([1n]);
  await using running = await startBefore([a, b], undefined, { probeIntervalMs: 600_000 });

  a.rollOut([2n]);
  for (let count = 0; count < 6; count += 1) {
    expect(await classify(running.url, "?version=2")).toMatchObject({ status: 200, version: "2" });
  }
  // Both are listed elsewhere than they are now.
  a.rollOut([1n]);
  b.rollOut([2n]);
  for (const version of ["2", "1"]) {
    expect(await classify(running.url, `?version=${version}`)).toMatchObject({
      status: 200,
      version,
    });
  }

  expect(running.changes.statesOf("westeurope-1")).not.toContain("ejected");
  expect(await classify(running.url, "?version=3")).toMatchObject({ status: 404 });
});

test("answers of a version are not given once every replica has another one", async () => {
  await using a = await startVersioned([1n]);
  await using b = await startVersioned([1n]);
  await using running = await startBefore([a, b], [classModel({ cache: true })]);
  expect(await classify(running.url)).toMatchObject({ version: "1", cache: "miss" });
  expect(await classify(running.url)).toMatchObject({ version: "1", cache: "hit" });

  // In the middle of the roll-out whichever replica is asked answers, and nothing is kept.
  a.rollOut([2n]);
  await expect.poll(() => versionsTold(running.url)).toEqual(["2", "1"]);
  for (let count = 0; count < 6; count += 1) {
    expect((await classify(running.url)).cache).toBeUndefined();
  }
  b.rollOut([2n]);
  await expect.poll(() => versionsTold(running.url)).toEqual(["2"]);

  expect(await classify(running.url)).toMatchObject({ version: "2", cache: "miss" });
  expect(await classify(running.url)).toMatchObject({ version: "2", cache: "hit" });
});

test("an answer of another version than the one that a probe found ends the use of the cache", async () => {
  await using replica = await startVersioned([1n]);
  await using running = await startBefore([replica], [classModel({ cache: true })], {
    probeIntervalMs: 600_000,
  });
  await classify(running.url);
  expect(await classify(running.url)).toMatchObject({ version: "1", cache: "hit" });

  replica.rollOut([2n]);
  await classify(running.url, "", { "cache-control": "no-store" });

  expect(await classify(running.url)).toMatchObject({ version: "2", cache: undefined });
});

test("labels of a release are not given for another one, and its cached answers are not used", async () => {
  await using replica = await startVersioned([1n]);
  const pools = [poolOf([replica])];
  const before = { models: [classModel({ cache: true })], pools };
  await using running = await startGateway({}, before);
  expect(await classify(running.url)).toMatchObject({ label: "one", cache: "miss" });
  expect(await classify(running.url)).toMatchObject({ label: "one", cache: "hit" });
  const reload = (next: ModelOptions) =>
    running.gateway.reload({
      ...before,
      region: "westeurope",
      listen: { port: 0 },
      models: [next],
    });

  reload(classModel({ cache: true, labels: ["null", "eins", "zwei"] }));
  expect(await classify(running.url)).toMatchObject({ label: "eins", cache: "miss" });
  // What a reload leaves as it is keeps what is cached.
  reload(classModel({ cache: true, labels: ["null", "eins", "zwei"] }));
  expect(await classify(running.url)).toMatchObject({ label: "eins", cache: "hit" });
});

test("a call that waits while its model gets other names ends as it began", async () => {
  await using replica = await startFakeReplica();
  const pools = [{ ...poolOf([replica]), parallelism: 1 }];
  const named = (tensor: string, label: string) =>
    classModel({
      output: { scores: { tensor, holds: "probabilities" } },
      labels: ["none", label, "two"],
    });
  const before = { models: [named("old_scores", "one")], pools };
  await using running = await startGateway({}, { ...before, routing: { pacing: false } });
  const labels: (string | undefined)[] = [];
  const send = async () => {
    const { label, reason } = await classify(running.url);
    labels.push(label ?? reason);
    return new Response();
  };
  const { answers } = await fillSlots(running.url, replica, { send });

  running.gateway.reload({
    region: "westeurope",
    listen: { port: 0 },
    pools,
    models: [named("new_scores", "eins")],
  });
  const outputs = (name: string) =>
    new Map([
      [name, classScores(3, { 1: 1 })],
      ["other", classScores(3, { 2: 1 })],
    ]);
  for (const _ of answers) (await replica.nextPredict()).succeed(outputs("old_scores"));
  await Promise.all(answers);

  expect(new Set(labels)).toEqual(new Set(["one"]));
  const after = classify(running.url);
  (await replica.nextPredict()).succeed(outputs("new_scores"));
  expect(await after).toMatchObject({ status: 200, label: "eins" });
});

test("a server that does not list its versions is up, and is asked for any of them", async () => {
  await using replica = await startVersioned([1n, 2n], { isPredictOnly: true });
  await using running = await startBefore([replica], [classModel({ cache: true })]);

  for (const version of ["1", "2"]) {
    const answer = await classify(running.url, `?version=${version}`);
    // Which version answers nobody can say before: so nothing is cached.
    expect(answer).toMatchObject({ status: 200, version, cache: undefined });
  }
  expect(await classify(running.url)).toMatchObject({ version: "2", cache: undefined });
  expect(await classify(running.url, "?version=3")).toMatchObject({ status: 404 });
});

test("versions that some replicas do not list are asked of the others as well", async () => {
  await using listing = await startVersioned([1n]);
  await using silent = await startVersioned([1n, 2n], { isPredictOnly: true });
  await using running = await startBefore([listing, silent]);

  for (let count = 0; count < 6; count += 1) {
    expect(await classify(running.url, "?version=2")).toMatchObject({ status: 200, version: "2" });
  }
  expect(listing.answeredCount()).toBe(0);
});
