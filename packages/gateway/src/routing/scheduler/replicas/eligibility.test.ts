import { expect, test } from "vitest";
import { schedulerSettings } from "../../settings.ts";
import type { Arrival, SchedulerCommand, SchedulerEvent } from "../events.ts";
import { createScheduler, type VersionQuery } from "../scheduler.ts";
import { arrival } from "../testing.ts";

interface Versions {
  readonly listed: readonly bigint[] | undefined;
  readonly latest: bigint | undefined;
}

const listed = (...versions: readonly bigint[]): Versions => ({
  listed: versions,
  latest: versions[0],
});
const unlisted: Versions = { listed: undefined, latest: undefined };

/** A scheduler before one device in each region; time moves by hand. */
function rig(regions: Readonly<Record<string, Versions>>) {
  const core = createScheduler(schedulerSettings({ pacing: false }, { ownRegion: "here" }));
  let nowMs = 0;
  const tell = (event: SchedulerEvent) => core.handle(event, nowMs);
  const probed = (replicaId: string, versions: Versions) =>
    tell({ type: "probed", model: "m", replicaId, finding: "ready", versions });
  tell({
    type: "pools",
    pools: Object.keys(regions).map((region) => ({
      model: "m",
      region,
      replicaIds: [region],
      parallelism: 1,
      isGateway: false,
    })),
  });
  for (const [id, versions] of Object.entries(regions)) probed(id, versions);
  let nextId = 0;
  return {
    tell,
    probed,
    advance: (ms: number) => {
      nowMs += ms;
    },
    ask: (hints: Partial<Arrival> = {}) => {
      nextId += 1;
      const request = arrival(nextId, hints);
      return tell({ type: "arrival", request });
    },
    expected: (query: Partial<VersionQuery> = {}) =>
      core.expectedVersion({ model: "m", residency: undefined, isForwarded: false, ...query }),
    versions: (residency?: readonly string[]) =>
      core.versionsFor({ model: "m", residency, isForwarded: false }),
  };
}

test("a request goes past a nearer region that does not have its version", () => {
  const { ask } = rig({ here: listed(1n), there: listed(2n, 1n) });

  expect(ask({ version: 2n })).toContainEqual(
    expect.objectContaining({ type: "send", replicaId: "there" }),
  );
});

test("a version is not sought outside the residency", () => {
  const { ask } = rig({ here: listed(1n), there: listed(2n) });

  expect(ask({ version: 2n, residency: ["here"] })).toContainEqual(
    expect.objectContaining({ type: "reject", because: "unknown-version" }),
  );
});

test("who waits for a version that goes away goes where it still is", () => {
  const { ask, probed } = rig({ here: listed(2n, 1n), there: listed(2n) });
  for (let count = 0; count < 2; count += 1) ask({ region: "here" });
  const waits = ask({ version: 2n, region: "here" });
  expect(waits.filter(({ type }) => type === "send")).toEqual([]);

  const moved = probed("here", listed(1n));

  expect(moved).toContainEqual(
    expect.objectContaining({ type: "send", id: 3, replicaId: "there" }),
  );
});

test("a version of a replica that is out now is not unknown", () => {
  const { ask, tell } = rig({ here: listed(1n), there: listed(2n) });
  tell({ type: "drain", replicaId: "there" });

  expect(ask({ version: 2n })).toContainEqual(
    expect.objectContaining({ type: "reject", because: "no-replica" }),
  );
});

test("a container without versions is asked for none", () => {
  const { ask } = rig({ here: { listed: [], latest: 0n } });

  for (const choice of [{ version: 1n }, { versionLabel: "stable" }]) {
    expect(ask(choice)).toContainEqual(
      expect.objectContaining({ type: "reject", because: "unknown-version" }),
    );
  }
  expect(ask()).toContainEqual(expect.objectContaining({ type: "send" }));
});

test.each<{
  readonly because: string;
  readonly here: Versions;
  readonly there: Versions;
  readonly query?: Partial<VersionQuery>;
  readonly expected: bigint | undefined;
}>([
  { because: "all have it", here: listed(2n, 1n), there: listed(2n), expected: 2n },
  { because: "they differ", here: listed(1n), there: listed(2n), expected: undefined },
  { because: "one does not tell", here: listed(1n), there: unlisted, expected: undefined },
  {
    because: "the call stays where one has it",
    here: listed(1n),
    there: listed(2n),
    query: { residency: ["there"] },
    expected: 2n,
  },
  {
    because: "it is named, and one has it",
    here: listed(1n),
    there: listed(2n),
    query: { version: 2n },
    expected: 2n,
  },
  {
    because: "it is named, and one may have it or not",
    here: unlisted,
    there: listed(2n),
    query: { version: 2n },
    expected: undefined,
  },
  {
    because: "no replica has it",
    here: listed(1n),
    there: listed(2n),
    query: { version: 3n },
    expected: undefined,
  },
  {
    because: "a label may mean any",
    here: listed(1n),
    there: listed(1n),
    query: { versionLabel: "x" },
    expected: undefined,
  },
])("a call would be answered by $expected, since $because", ({ here, there, query, expected }) => {
  expect(rig({ here, there }).expected(query)).toBe(expected);
});

test("an answer of another version than the latest that was reported makes that unknown until the next probe", () => {
  const { ask, tell, probed, expected } = rig({ here: listed(1n) });
  const answered = (version: bigint, hints: Partial<Arrival> = {}) => {
    const sent = ask(hints).find(({ type }) => type === "send");
    if (sent?.type === "send") tell({ type: "answered", attemptId: sent.attemptId, version });
  };

  answered(1n);
  answered(0n);
  expect(expected()).toBe(1n);
  answered(2n);
  expect(expected()).toBeUndefined();
  probed("here", listed(2n));

  expect(expected()).toBe(2n);
});

test("versions are those of the regions where a call may be served", () => {
  const { versions } = rig({ here: listed(1n), there: listed(3n, 2n) });

  expect(versions()).toEqual([3n, 2n, 1n]);
  expect(versions(["here"])).toEqual([1n]);
});

const probesIn = (commands: readonly SchedulerCommand[]) =>
  commands.flatMap((each) => (each.type === "probe" ? [each.replicaId] : []));
const absent = expect.objectContaining({ type: "reject", because: "unknown-version" });

test("a version that no replica listed is unknown only once each of them was asked again", () => {
  const { ask, probed, advance } = rig({ here: listed(1n), there: listed(1n) });
  advance(100);

  const asked = ask({ version: 2n });
  expect(probesIn(asked)).toEqual(["here", "there"]);
  expect(asked).not.toContainEqual(absent);
  advance(1);
  expect(probed("here", listed(1n))).not.toContainEqual(absent);
  expect(probed("there", listed(1n))).toContainEqual(absent);
});

test("a version that came to a replica since its last probe is found there", () => {
  const { ask, probed, advance } = rig({ here: listed(1n), there: listed(1n) });
  advance(100);
  ask({ version: 2n });
  advance(1);

  expect(probed("there", listed(2n))).toContainEqual(
    expect.objectContaining({ type: "send", id: 1, replicaId: "there" }),
  );
  expect(probesIn(probed("here", listed(1n)))).toEqual([]);
});

test("the word of a probe that was sent before a call came is not the last", () => {
  const { ask, probed, advance } = rig({ here: listed(1n) });
  advance(100);
  ask({ version: 2n });
  advance(1);
  expect(probesIn(ask({ version: 3n }))).toEqual([]);
  advance(1);

  const first = probed("here", listed(2n, 1n));
  expect(first).toContainEqual(expect.objectContaining({ type: "send", id: 1 }));
  expect(probesIn(first)).toEqual(["here"]);
  expect(probed("here", listed(2n, 1n))).toContainEqual(
    expect.objectContaining({ type: "reject", id: 2, because: "unknown-version" }),
  );
});

test("replicas that no longer have a version leave it to those who have got it", () => {
  const { ask, tell, probed, advance } = rig({ here: listed(2n), there: listed(1n) });
  advance(100);
  const sent = ask({ version: 2n }).find(({ type }) => type === "send");
  const attemptId = sent?.type === "send" ? sent.attemptId : 0;

  expect(probesIn(tell({ type: "failed", attemptId, failure: "not-served" }))).toContain("there");
  expect(probed("there", listed(2n))).toContainEqual(
    expect.objectContaining({ type: "send", id: 1, replicaId: "there" }),
  );
});

test("who seeks a version while its replicas are exchanged, or leaves, is forgotten", () => {
  const { ask, tell, probed, advance } = rig({ here: listed(1n) });
  advance(100);
  ask({ version: 2n });
  ask({ version: 2n });
  tell({ type: "cancelled", id: 1 });

  const refused = tell({ type: "pools", pools: [] }).filter(({ type }) => type === "reject");
  expect(refused).toEqual([expect.objectContaining({ id: 2 })]);
  expect(probed("here", listed(2n)).filter(({ type }) => type === "send")).toEqual([]);
});

test("a container that has no versions is not asked again for one", () => {
  const { ask, advance } = rig({ here: { listed: [], latest: 0n } });
  advance(100);

  expect(ask({ version: 1n })).toContainEqual(absent);
});

test("the only replica that has a version is not left for being slow with it", () => {
  const { ask, tell, advance } = rig({ here: listed(1n), there: listed(2n) });
  const send = () => {
    const sent = ask({ version: 2n }).find(({ type }) => type === "send");
    return sent?.type === "send" ? sent.attemptId : 0;
  };
  for (let count = 0; count < 40; count += 1) {
    const attemptId = send();
    advance(2);
    tell({ type: "answered", attemptId });
  }
  send();
  const commands = Array.from({ length: 100 }, () => {
    advance(10);
    return tell({ type: "tick" });
  }).flat();

  expect(probesIn(commands)).toContain("there");
  expect(commands.filter(({ type }) => type === "state-change")).toEqual([]);
});
