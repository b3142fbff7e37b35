import { defineConfig } from "vitest/config";
import usual from "./vitest.config.ts";

/** The tests that take long, or a lot: a gigabyte of models, 10,000 connections. `npm run test:long`. */
export default defineConfig({
  ...usual,
  test: {
    ...usual.test,
    include: ["test/long/*.test.ts"],
    exclude: [],
    maxWorkers: 1,
    isolate: true,
  },
});
