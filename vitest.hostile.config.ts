import { defineConfig } from "vitest/config";
import usual from "./vitest.config.ts";

/** What hostile callers, replicas, files and signals may not do to a gateway, end to end. `npm run test:hostile`. */
export default defineConfig({
  ...usual,
  test: { ...usual.test, include: ["test/hostile/*.test.ts"], exclude: [], isolate: true },
});
