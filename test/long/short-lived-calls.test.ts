import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("collections of the young generation free what a call has left", async () => {
  const script = fileURLToPath(new URL("./short-lived/count-survivors.ts", import.meta.url));
  const args = ["--expose-gc", "--conditions=@tensorgate/source", script];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const { requestCount, survivorCount } = JSON.parse(stdout);

  expect(requestCount).toBe(200);
  // The engine's caches may hold the last one of each batch.
  expect(survivorCount).toBeLessThan(40);
});
