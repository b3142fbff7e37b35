import { defineConfig } from "vitest/config";
import usual from "./vitest.config.ts";

/** Any test that a mutant names. `npm run mutants`. */
export default defineConfig({
  ...usual,
  test: { ...usual.test, exclude: ["**/node_modules/**"], isolate: true, retry: 0 },
});
