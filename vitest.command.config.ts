import { defineConfig } from "vitest/config";
import usual from "./vitest.config.ts";

/** The command and its processes, as a user starts them. `npm run test:command`. */
export default defineConfig({
  ...usual,
  test: { ...usual.test, include: ["test/command/*.test.ts"], exclude: [], isolate: true },
});
