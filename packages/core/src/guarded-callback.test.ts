import { expect, test, vi } from "vitest";
import { guardedCallback } from "./guarded-callback.ts";

const settled = () => new Promise((resolve) => setImmediate(resolve));
const fault = new Error("the embedder's own fault");

test.each([
  {
    how: "throws",
    callback: () => {
      throw fault;
    },
  },
  { how: "rejects", callback: () => Promise.reject(fault) },
  {
    how: "gives something thenable that throws",
    callback: () => ({
      // biome-ignore lint/suspicious/noThenProperty: what a careless embedder may return
      get then(): unknown {
        throw fault;
      },
    }),
  },
])("a callback that $how is reported, and fails nothing", async ({ callback }) => {
  const reported = vi.fn();

  guardedCallback(callback, reported)();
  await settled();

  expect(reported.mock.calls).toEqual([[fault]]);
});

test("a callback gets its arguments, and none is needed", () => {
  const callback = vi.fn();

  guardedCallback(callback)("a", 1);
  guardedCallback(undefined)();

  expect(callback.mock.calls).toEqual([["a", 1]]);
});
