import {
  bytesTensor,
  type CacheOutcome,
  type CallContext,
  CancelledError,
  DeadlineExceededError,
  float32Tensor,
  type ResolvedModel,
  type ResolvedRequest,
  type ScoreResolved,
  type ScoreResponse,
  UpstreamFailedError,
} from "@tensorgate/core";
import { aCall, aRequest, manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { type CacheOptions, cacheDefaults } from "./options.ts";
import { createResponseCache } from "./response-cache.ts";

interface Pending {
  readonly call: CallContext;
  answer(response?: ScoreResponse): void;
  fail(error: Error): void;
}

function cached(options: CacheOptions = {}) {
  const clock = manualClock();
  const upstream: Pending[] = [];
  const outcomes: CacheOutcome[] = [];
  let version: bigint | undefined = 1n;
  const cache = createResponseCache({
    options: { ...cacheDefaults, ...options },
    expectedVersion: (modelSpec) => modelSpec.version ?? version,
    clock,
  });
  const next: ScoreResolved = (_request, call) =>
    new Promise((resolve, reject) => {
      call.signal.addEventListener("abort", () => reject(call.signal.reason), { once: true });
      upstream.push({ call, answer: (response = small) => resolve(response), fail: reject });
    });
  const score = cache.layer(next);
  const observer = {
    attempt: () => ({ end: () => {} }),
    end: () => {},
    cached: (_model: string, outcome: CacheOutcome) => void outcomes.push(outcome),
  };
  return {
    cache,
    clock,
    upstream,
    outcomes,
    setVersion: (now: bigint | undefined) => {
      version = now;
    },
    ask: (request: ResolvedRequest = asked("a"), call: Partial<CallContext> = {}) =>
      score(request, aCall({ observer, ...call })),
    /** Asks, and has it answered. */
    answered: async (request: ResolvedRequest, response: ScoreResponse = small) => {
      const answer = score(request, aCall({ observer }));
      upstream.at(-1)?.answer(response);
      return answer;
    },
  };
}

const small = answerOf(4);

function answerOf(valueCount: number, version = 1n): ScoreResponse {
  const scores = float32Tensor([1, valueCount], new Float32Array(valueCount));
  return {
    model: { name: "m", version },
    outputs: new Map([["scores", scores]]),
    region: "here",
  };
}

const release: ResolvedModel = { ...aRequest.model, name: "m" };

function asked(picture: string, more: Partial<ResolvedRequest> = {}): ResolvedRequest {
  const tensor = bytesTensor([1], [Buffer.from(picture)]);
  return {
    modelSpec: { name: "m" },
    model: release,
    inputs: new Map([["images", tensor]]),
    outputFilter: [],
    ...more,
  };
}

test("what was asked before is answered from what was kept", async () => {
  const { answered, ask, upstream, outcomes, cache } = cached();
  await answered(asked("a"));

  const again = await ask();

  expect(again).toEqual(small);
  expect(upstream).toHaveLength(1);
  expect(outcomes).toEqual(["miss", "hit"]);
  expect([cache.entryCount, cache.byteCount]).toEqual([1, 1_024 + 16]);
});

test.each<{
  readonly name: string;
  readonly request: ResolvedRequest;
  readonly call?: Partial<CallContext>;
}>([
  { name: "another picture", request: asked("b") },
  { name: "another version", request: asked("a", { modelSpec: { name: "m", version: 2n } }) },
  { name: "a version label", request: asked("a", { modelSpec: { name: "m", versionLabel: "x" } }) },
  {
    name: "another signature",
    request: asked("a", { modelSpec: { name: "m", signatureName: "s" } }),
  },
  { name: "another release", request: asked("a", { model: { ...release, revision: "2" } }) },
  { name: "other outputs", request: asked("a", { outputFilter: ["features"] }) },
  { name: "a parameter", request: asked("a", { parameters: new Map([["a", 1n]]) }) },
  { name: "a residency", request: asked("a"), call: { hints: { residency: ["eastus"] } } },
  { name: "another region", request: asked("a"), call: { hints: { region: "eastus" } } },
  { name: "a call that keeps nothing", request: asked("a"), call: { noStore: true } },
])("$name is asked for anew", async ({ request, call }) => {
  const { answered, ask, upstream } = cached();
  await answered(asked("a"));

  void ask(request, call);

  expect(upstream).toHaveLength(2);
});

test("a new version is not answered for by the old one", async () => {
  const { answered, ask, upstream, setVersion } = cached();
  await answered(asked("a"));

  setVersion(2n);
  void ask();

  expect(upstream).toHaveLength(2);
});

test("an answer is stored under the version that gave it, not the one that was expected", async () => {
  const { answered, ask, upstream, setVersion } = cached();
  await answered(asked("a"), answerOf(4, 2n));

  void ask();
  expect(upstream).toHaveLength(2);
  setVersion(2n);

  expect((await ask()).model.version).toBe(2n);
  expect(upstream).toHaveLength(2);
});

test("a version that is named and the one that is the latest share an answer", async () => {
  const { answered, ask, upstream } = cached();
  await answered(asked("a"));

  await ask(asked("a", { modelSpec: { name: "m", version: 1n } }));

  expect(upstream).toHaveLength(1);
});

test("where the version is not known nothing is looked up, stored or shared", async () => {
  const { answered, ask, upstream, outcomes, setVersion, cache } = cached();
  await answered(asked("a"));
  setVersion(undefined);

  const answers = [ask(), ask(asked("b")), ask(asked("b"))];
  for (const pending of upstream.slice(1)) pending.answer();
  await Promise.all(answers);

  expect(upstream).toHaveLength(4);
  expect(outcomes).toEqual(["miss"]);
  expect(cache.entryCount).toBe(1);
});

test("calls that would get different versions are not answered together", async () => {
  const { ask, upstream, setVersion } = cached();
  const old = ask();
  setVersion(2n);
  const now = ask();

  upstream[0]?.answer();
  upstream[1]?.answer(answerOf(4, 2n));

  expect((await old).model.version).toBe(1n);
  expect((await now).model.version).toBe(2n);
});

test("a call that keeps nothing joins no other call and leaves nothing", async () => {
  const { ask, upstream, cache, outcomes } = cached();
  const quiet = ask(asked("a"), { noStore: true });
  void ask();

  upstream[0]?.answer();
  await quiet;

  expect(upstream).toHaveLength(2);
  expect(cache.entryCount).toBe(0);
  expect(outcomes).toEqual(["miss"]);
});

test("a model that does not ask for it has nothing kept", async () => {
  const { answered, cache, outcomes } = cached();

  await answered(asked("a", { model: { ...release, isCached: false } }));

  expect([cache.entryCount, outcomes]).toEqual([0, []]);
});

test("an answer is good for its time", async () => {
  const { answered, ask, upstream, clock } = cached({ ttlMs: 1_000 });
  await answered(asked("a"));

  clock.advance(1_000);
  await ask();
  clock.advance(1);
  void ask();

  expect(upstream).toHaveLength(2);
});

test("answers take no more room than they may; the one not asked for the longest goes", async () => {
  const { answered, ask, upstream, cache } = cached({ maxBytes: 3_200 });
  await answered(asked("a"));
  await answered(asked("b"));
  await answered(asked("c"));
  await ask(asked("a"));
  await answered(asked("d"));

  await ask(asked("a"));
  void ask(asked("b"));

  expect(cache.byteCount).toBeLessThanOrEqual(3_200);
  expect(upstream).toHaveLength(5);
});

test("an answer that is too long is given, and not kept", async () => {
  const { answered, cache } = cached({ maxEntryBytes: 10_000 });

  const { outputs } = await answered(asked("a"), answerOf(5_000));

  expect(outputs.get("scores")?.shape).toEqual([1, 5_000]);
  expect(cache.entryCount).toBe(0);
});

test("what is kept does not hold on to the message that it came in", async () => {
  const { answered, ask } = cached();
  const message = new Uint8Array(1_000_000);
  const view = { dtype: "FP32" as const, shape: [1, 4], data: message.subarray(16, 32) };
  await answered(asked("a"), { ...small, outputs: new Map([["scores", view]]) });

  const kept = (await ask()).outputs.get("scores");

  expect(kept && "data" in kept && kept.data.buffer.byteLength).toBe(16);
});

test("what several ask at the same time is asked once", async () => {
  const { ask, upstream, outcomes } = cached();
  const answers = [ask(), ask(), ask()];

  upstream[0]?.answer();

  expect(new Set(await Promise.all(answers)).size).toBe(1);
  expect(upstream).toHaveLength(1);
  expect(outcomes.toSorted()).toEqual(["coalesced", "coalesced", "miss"]);
});

test("a call that names a version does not share one that names none", async () => {
  const { ask, upstream } = cached();
  const unpinned = ask();
  const pinned = ask(asked("a", { modelSpec: { name: "m", version: 1n } }));

  // In the middle of a roll-out, whichever replica is asked answers what names no version.
  upstream[0]?.answer(answerOf(4, 2n));
  upstream[1]?.answer(answerOf(4, 1n));

  expect((await unpinned).model.version).toBe(2n);
  expect((await pinned).model.version).toBe(1n);
});

test("a failure goes to all callers, and is not cached", async () => {
  const { ask, upstream, cache } = cached();
  const answers = [ask(), ask()];

  upstream[0]?.fail(new UpstreamFailedError("broken"));

  for (const answer of answers) await expect(answer).rejects.toThrow("broken");
  expect(cache.entryCount).toBe(0);
  void ask();
  expect(upstream).toHaveLength(2);
});

const gone = new CancelledError("gone");

test("a caller that leaves gets its error immediately, and the others stay", async () => {
  const { ask, upstream } = cached();
  const first = new AbortController();
  const leader = ask(asked("a"), { signal: first.signal });
  const joiner = ask();

  first.abort(gone);
  await expect(leader).rejects.toBe(gone);
  expect(upstream[0]?.call.signal.aborted).toBe(false);
  upstream[0]?.answer();

  expect(await joiner).toEqual(small);
});

test("when all callers have left the shared call is ended, and the next one begins again", async () => {
  const { ask, upstream } = cached();
  const controllers = [new AbortController(), new AbortController()];
  const answers = controllers.map(({ signal }) => ask(asked("a"), { signal }));

  for (const controller of controllers) controller.abort(gone);

  for (const answer of answers) await expect(answer).rejects.toBe(gone);
  expect(upstream[0]?.call.signal.aborted).toBe(true);
  void ask();
  expect(upstream).toHaveLength(2);
});

test("who has more time than the first one asks for himself when that one's is over", async () => {
  const { ask, upstream } = cached();
  const leader = ask();
  const joiner = ask();

  upstream[0]?.fail(new DeadlineExceededError("too late"));
  await expect(leader).rejects.toThrow("too late");
  await expect.poll(() => upstream.length).toBe(2);
  upstream[1]?.answer();

  expect(await joiner).toEqual(small);
});
