import { defineConfig } from "vitest/config";
import { secondTry } from "./test/support/second-try.ts";

/** What is tried with other languages, where they are there. */
export default defineConfig({
  ssr: { resolve: { conditions: ["@tensorgate/source"] } },
  test: {
    ...secondTry,
    include: ["test/interop/**/*.test.ts"],
    execArgv: ["--conditions=@tensorgate/source"],
    testTimeout: 120_000,
    // Where nothing is cached, TensorFlow is installed first.
    hookTimeout: 900_000,
  },
});
