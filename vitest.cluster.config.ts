import { defineConfig } from "vitest/config";
import { secondTry } from "./test/support/second-try.ts";

/** What is tried in a real Kubernetes, if its programs have been built. `npm run test:cluster`. */
export default defineConfig({
  ssr: { resolve: { conditions: ["@tensorgate/source"] } },
  test: {
    ...secondTry,
    include: ["test/cluster/**/*.test.ts"],
    execArgv: ["--conditions=@tensorgate/source"],
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 600_000,
  },
});
