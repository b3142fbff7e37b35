import { defineConfig } from "vitest/config";
import usual from "./vitest.config.ts";

/** The gateway among processes that fail, with few requests each. `npm run chaos` is the same with many. */
export default defineConfig({
  ...usual,
  test: {
    ...usual.test,
    include: ["test/chaos/chaos.test.ts"],
    exclude: [],
    isolate: true,
    maxWorkers: 1,
    testTimeout: 60_000,
  },
});
