import { defineConfig } from "vitest/config";
import { secondTry } from "./test/support/second-try.ts";

/** What is published: packed, looked at, and installed into an empty project. */
export default defineConfig({
  ssr: { resolve: { conditions: ["@tensorgate/source"] } },
  test: {
    ...secondTry,
    include: ["test/packages/**/*.test.ts"],
    globalSetup: "test/packages/support/packed.ts",
    // The release builds the packages that other files have installed.
    fileParallelism: false,
    execArgv: ["--conditions=@tensorgate/source"],
    testTimeout: 120_000,
    hookTimeout: 240_000,
  },
});
