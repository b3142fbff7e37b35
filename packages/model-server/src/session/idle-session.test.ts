import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { startModelServer } from "../model-server.ts";
import { addHalfPlusTwo, createObservedClock, createServingCaller } from "../testing.ts";

const folder = mkdtempSync(join(tmpdir(), "tensorgate-idle-"));
addHalfPlusTwo(folder, "m");
afterAll(() => rmSync(folder, { recursive: true }));

test("without an engine answers are zeros, after the service time, one after the other", async () => {
  const clock = createObservedClock();
  const server = await startModelServer(
    { port: 0, models: { directory: folder }, engine: "none", serviceMs: 8, concurrency: 1 },
    clock,
  );
  using caller = createServingCaller(server.port);
  const done: (readonly number[])[] = [];
  const requests = [[1], [1, 2]].map((x) =>
    caller.predict("m", { x }).then(({ values }) => done.push(values)),
  );

  await clock.pending([8]);
  clock.advance(8);
  await requests[0];
  expect(done).toEqual([[0]]);
  await clock.pending([8]);
  clock.advance(8);
  await Promise.all(requests);

  expect(done).toEqual([[0], [0, 0]]);
  await server.close(0);
});
