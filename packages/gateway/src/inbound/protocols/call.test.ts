import { UnauthenticatedError } from "@tensorgate/core";
import { aCall, manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import type { AccessLayer, AccessRequest, Admission } from "../access/access.ts";
import { requestDefaults } from "../options.ts";
import { createCallRunner, replyHeaders } from "./call.ts";
import { CallStageTimes } from "./incoming-call.ts";

test("names that no header can hold are percent-encoded, and others are left as they are", () => {
  const model = { name: "modèle\n", version: 1n };

  expect(replyHeaders(aCall(), { model, region: "zürich-東" }, 1)).toMatchObject({
    "x-tensorgate-model": "mod%C3%A8le%0A@1",
    "x-tensorgate-region": "z%C3%BCrich-%E6%9D%B1",
  });
  expect(replyHeaders(aCall(), { region: "west europe" }, 1)).toMatchObject({
    "x-tensorgate-region": "west europe",
  });
});

test("each answer names its own model and version, whichever came before", () => {
  const texts = [
    { name: "a", version: 1n },
    { name: "a", version: 2n },
    { name: "b", version: 2n },
    { name: "a", version: 1n },
  ].map((model) => replyHeaders(aCall(), { model }, 1)["x-tensorgate-model"]);

  expect(texts).toEqual(["a@1", "a@2", "b@2", "a@1"]);
});

test.each([
  [0, "0.00"],
  [0.004, "0.00"],
  [0.05, "0.05"],
  [1.996, "2.00"],
  [12.3, "12.30"],
  [60_000, "60000.00"],
])("%d ms are written as %s", (durationMs, text) => {
  const times = new CallStageTimes();
  times.add("queue", durationMs);

  const headers = replyHeaders(aCall({ times }), {}, durationMs);

  expect(headers["server-timing"]).toBe(`queue;dur=${text}, total;dur=${text}`);
});

const asked = { header: () => undefined } as unknown as AccessRequest;
const named = (id: string) => ({ caller: { id } }) as Admission;

/** Admits by these layers, the last of which authenticates. */
function admitBy(...layers: readonly AccessLayer[]) {
  const tasks = {} as never;
  const runner = createCallRunner({
    inForce: { current: { tasks, authenticate: layers.at(-1) } },
    layers: layers.slice(0, -1),
    requests: requestDefaults,
    observeCall: () => ({}) as never,
    onInternalError: () => {},
    clock: manualClock(),
  });
  return runner.admit(asked);
}

test("layers that know their answer admit a call without a promise, each after the one before", () => {
  const admitted = admitBy(
    () => named("first"),
    (_request, { caller }) => named(`${caller?.id}, second`),
    (_request, { caller }) => named(`${caller?.id}, key`),
  );

  expect(admitted).toMatchObject({ caller: { id: "first, second, key" }, tasks: {} });
});

test("after a layer that waits, the others get what it found", async () => {
  const admitted = admitBy(
    () => named("first"),
    async (_request, { caller }) => named(`${caller?.id}, second`),
    (_request, { caller }) => named(`${caller?.id}, third`),
    async (_request, { caller }) => named(`${caller?.id}, key`),
  );

  expect(admitted).toBeInstanceOf(Promise);
  expect(await admitted).toMatchObject({ caller: { id: "first, second, third, key" }, tasks: {} });
});

test("a layer that rejects a call ends its admission, whether others waited or not", async () => {
  const reject = () => {
    throw new UnauthenticatedError("no key");
  };
  const never = () => {
    throw new Error("a layer after the one that rejected");
  };

  expect(() => admitBy(reject, never)).toThrow("no key");
  await expect(admitBy(async () => named("first"), reject, never)).rejects.toThrow("no key");
});
