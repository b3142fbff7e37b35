import { manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { addLatency } from "./latency.ts";

const near = { path: "/service/Method", method: (message: Buffer) => message };
const settled = () => new Promise((resolve) => setImmediate(resolve));

test("latency delays answers, failures too", async () => {
  const clock = manualClock();
  const fails = () => Promise.reject(new Error("no"));
  const distant = addLatency(90, clock);
  const done: string[] = [];
  const isAbandoned = () => false;
  void Promise.resolve(distant(near).method(Buffer.from("x"), isAbandoned, "peer")).then(() =>
    done.push("ok"),
  );
  Promise.resolve(
    distant({ ...near, method: fails }).method(Buffer.from("x"), isAbandoned, "peer"),
  ).catch(() => done.push("failed"));
  await settled();
  clock.advance(89);
  await settled();
  expect(done).toEqual([]);

  clock.advance(1);
  await settled();

  expect(done.sort()).toEqual(["failed", "ok"]);
});

test("without latency a method stays as it is", () => {
  expect(addLatency(0, manualClock())(near)).toBe(near);
});
