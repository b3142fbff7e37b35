import { defineConfig } from "vitest/config";
import { secondTry } from "./test/support/second-try.ts";

/** What is tried in a real browser: Debian's Chromium, or the one that `CHROMIUM` names. */
export default defineConfig({
  ssr: { resolve: { conditions: ["@tensorgate/source"] } },
  test: {
    ...secondTry,
    include: ["test/browser/**/*.test.ts"],
    execArgv: ["--conditions=@tensorgate/source"],
    testTimeout: 30_000,
    // One browser at a time: each has processes enough of its own.
    fileParallelism: false,
  },
});
