import { defineConfig } from "vitest/config";
import usual from "./vitest.config.ts";

/** The tests that make a gigabyte of models: `npm run test:families`. */
export default defineConfig({
  ...usual,
  test: { ...usual.test, include: ["test/five-families/*.test.ts"], exclude: [], maxWorkers: 1 },
});
