import { ScoringError, TimeoutError } from "@tensorgate/core";
import { manualClockAndRandom } from "@tensorgate/core/testing";
import { expect, test, vi } from "vitest";
import { type AttemptContext, type CallerDeps, createCaller } from "./caller.ts";
import type { ClientError } from "./client-error.ts";
import { type CallOptions, commonClientDefaults } from "./options.ts";
import { createRetryBudget } from "./retry-budget.ts";

/** Makes one call, which succeeds immediately unless `answer` does something else. */
async function called(
  options: CallOptions = {},
  parts: Partial<CallerDeps> = {},
  answer: (attempt: AttemptContext) => Promise<unknown> = async () => "answered",
) {
  const sent: AttemptContext[] = [];
  const call = createCaller({
    ...commonClientDefaults,
    headers: {},
    apiKey: undefined,
    onEvent: undefined,
    budget: createRetryBudget(),
    clockAndRandom: manualClockAndRandom(),
    newRequestId: () => "made",
    ...parts,
  });
  const outcome = await call({
    method: "classify",
    model: "m",
    options,
    prepare: async () => {},
    send: (attempt) => {
      sent.push(attempt);
      return answer(attempt);
    },
  }).catch((thrown: ClientError) => thrown);
  return { sent, outcome };
}

test.each([
  { options: { timeoutMs: 0 }, text: "timeoutMs must be more than 0, got 0" },
  { options: { timeoutMs: Number.NaN }, text: "timeoutMs must be more than 0, got NaN" },
  { options: { deadlineMs: -1 }, text: "deadlineMs must be more than 0, got -1" },
  { options: { maxRetries: -1 }, text: "maxRetries must be 0 or more, got -1" },
  { options: { maxRetries: Number.NaN }, text: "maxRetries must be 0 or more, got NaN" },
  { options: { region: 42 }, text: "region must be the name of a region, got 42" },
  { options: { region: "" }, text: 'region must be the name of a region, got ""' },
  { options: { region: ["eastus"] }, text: "region must be the name of a region, got Array" },
  {
    options: { priority: "high" },
    text: 'priority must be critical, normal or batch, got "high"',
  },
  {
    options: { signal: new AbortController() },
    text: "signal must be an AbortSignal, got AbortController",
  },
  { options: { signal: 5_000 }, text: "signal must be an AbortSignal, got 5000" },
])("$text", async ({ options, text }) => {
  const apiKey = vi.fn(() => "key");
  const { sent, outcome } = await called(options as CallOptions, { apiKey });

  expect(outcome).toMatchObject({ reason: "invalid-request", message: `classify(m): ${text}` });
  expect(sent).toEqual([]);
  expect(apiKey).not.toHaveBeenCalled();
});

test("one region is no list of regions", async () => {
  const { sent, outcome } = await called({ residency: "westeurope" as never });

  expect(outcome).toMatchObject({
    reason: "invalid-request",
    field: "residency",
    attempts: 0,
    message: 'classify(m): residency must be a list of names, got "westeurope"',
  });
  expect(sent).toEqual([]);
});

test("a call without an end may take a day, which every timer and protocol can say", async () => {
  const { sent } = await called({ timeoutMs: Number.POSITIVE_INFINITY, deadlineMs: 1e12 });

  expect(sent).toMatchObject([{ timeoutMs: 99_999_999 }]);
});

test("the time left is sent in whole milliseconds, whatever the clock shows", async () => {
  const { clock, random } = manualClockAndRandom();
  clock.advance(0.25);
  const { sent } = await called({ deadlineMs: 999.5 }, { clockAndRandom: { clock, random } });

  expect(sent).toMatchObject([{ timeoutMs: 1_000 }]);
});

test.each([
  { apiKey: "tg_a_secret", authorization: "Bearer tg_a_secret", because: "as it is" },
  { apiKey: () => "tg_a_secret\n", authorization: "Bearer tg_a_secret", because: "of a file" },
  { apiKey: "", authorization: undefined, because: "a variable that is empty is none" },
])("a key is sent: $because", async ({ apiKey, authorization }) => {
  const { sent } = await called({}, { apiKey });

  expect(sent[0]?.headers["authorization"]).toBe(authorization);
});

test("a key that is not available fails the call, and is not requested again", async () => {
  let asked = 0;
  const apiKey = async () => {
    asked += 1;
    throw new TypeError("Failed to fetch");
  };
  const { sent, outcome } = await called({}, { apiKey });

  expect(outcome).toMatchObject({
    reason: "unauthenticated",
    attempts: 0,
    retryable: false,
    message:
      "classify(m): the API key is not available. Hint: the function apiKey failed: Failed to fetch",
  });
  expect(asked).toBe(1);
  expect(sent).toEqual([]);
});

test.each([
  { parts: { apiKey: "tg_a_secret\nx" }, reason: "unauthenticated" },
  { parts: { apiKey: () => "<html>secret</html> …" }, reason: "unauthenticated" },
  { parts: { headers: { "x-mine": "secret\n" } }, reason: "invalid-request" },
])(
  "a value that no header may contain is rejected without showing it: $reason",
  async ({ parts, reason }) => {
    const { sent, outcome } = await called({}, parts);

    expect(outcome).toMatchObject({ reason });
    expect(String((outcome as ClientError).message)).not.toContain("secret");
    expect(sent).toEqual([]);
  },
);

test("a fault of the gateway's own says what was called", async () => {
  const call = createCaller({
    ...commonClientDefaults,
    maxRetries: 0,
    headers: {},
    apiKey: undefined,
    onEvent: undefined,
    budget: createRetryBudget(),
    newRequestId: () => "made",
    clockAndRandom: manualClockAndRandom(),
  });
  const fault = new Error("a bug");
  const failed = call({
    method: "detect",
    model: "m",
    options: {},
    prepare: async () => {},
    send: () => Promise.reject(fault),
  });

  await expect(failed).rejects.toMatchObject({
    reason: "internal",
    message: "detect(m): internal error",
  });
  const error = await failed.catch((thrown: ClientError) => thrown);
  expect(ScoringError.is(error)).toBe(true);
});

test("an attempt without a response in time has its own error class", async () => {
  const { clock, random } = manualClockAndRandom();
  const { outcome: error } = await called(
    { timeoutMs: 1_000, maxRetries: 0 },
    { clockAndRandom: { clock, random } },
    (attempt) => {
      clock.advance(attempt.timeoutMs);
      return new Promise(() => {});
    },
  );

  expect(error).toBeInstanceOf(TimeoutError);
  expect(error).toMatchObject({
    name: "TimeoutError",
    reason: "upstream-failed",
    retryable: true,
    attempts: 1,
  });
});
