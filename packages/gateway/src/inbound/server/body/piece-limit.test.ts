import { Readable } from "node:stream";
import { manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { listenDefaults, requestDefaults } from "../../options.ts";
import type { NodeRequest, NodeResponse } from "../node-http.ts";
import { createBodyBudget, hasTooManyPieces, limitPieces, onTooManyPieces } from "./body-budget.ts";
import { createBodyPieces } from "./body-pieces.ts";

/** A body without a reader. */
function unread() {
  const body = Object.assign(new Readable({ read: () => {} }), { headers: {} });
  const request = body as unknown as NodeRequest;
  limitPieces(request);
  return {
    body,
    request,
    /** @returns how many of the pieces were taken */
    arrive: (byteCount: number, pieces: number) => {
      let taken = 0;
      while (taken < pieces && !hasTooManyPieces(request)) {
        body.push(Buffer.alloc(byteCount));
        if (!hasTooManyPieces(request)) taken += 1;
      }
      return taken;
    },
  };
}

test("pieces of a byte are dropped after the first thousand, and ask to read no further", () => {
  const { body, request, arrive } = unread();

  expect(arrive(1, 100_000)).toBe(1_040);
  expect(body.push(Buffer.alloc(100_000))).toBe(false);

  expect(hasTooManyPieces(request)).toBe(true);
  expect(body.readableLength).toBe(1_040);
});

test("pieces of 64 bytes on average may be any number", () => {
  const { body, arrive } = unread();

  expect(arrive(64, 100_000)).toBe(100_000);

  expect(body.readableLength).toBe(6_400_000);
});

test("a listener is called once, even if it is added late", () => {
  const { request, arrive } = unread();
  let before = 0;
  let after = 0;
  onTooManyPieces(request, () => {
    before += 1;
  });
  arrive(1, 100_000);
  onTooManyPieces(request, () => {
    after += 1;
  });

  expect([before, after]).toEqual([1, 1]);
});

test("a body that is whole lets go of what waited for its pieces", () => {
  const { body, request } = unread();
  const listener = () => {};
  onTooManyPieces(request, listener);
  const kept = () =>
    Object.getOwnPropertySymbols(body)
      .map((key) => Reflect.get(body, key))
      .some((value) => Object.values(value ?? {}).includes(listener));
  expect(kept()).toBe(true);

  body.push(null);

  expect(kept()).toBe(false);
});

test("the end of a body passes", async () => {
  const { body, arrive } = unread();
  arrive(1, 10);
  body.push(null);

  expect(await body.toArray()).toHaveLength(10);
});

test.each(["before", "after"])(
  "reading fails if the limit is exceeded %s it begins",
  async (when) => {
    const { request, arrive } = unread();
    const budget = createBodyBudget({
      requests: requestDefaults,
      listen: listenDefaults,
      clock: manualClock(),
    });
    const response = { on: () => {} } as unknown as NodeResponse;
    if (when === "before") arrive(1, 2_000);
    const pieces = createBodyPieces(request, budget.open(request, response, "stream"));
    if (when === "after") arrive(1, 2_000);

    await expect(pieces.next(1)).rejects.toMatchObject({ reason: "too-large" });
  },
);
