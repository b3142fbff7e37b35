import { defineConfig } from "vitest/config";
import { secondTry } from "./test/support/second-try.ts";

export default defineConfig({
  ssr: { resolve: { conditions: ["@tensorgate/source"] } },
  test: {
    ...secondTry,
    include: ["packages/*/{src,simulation}/**/*.test.ts", "test/**/*.test.ts"],
    exclude: [
      // Whole exchanges: `npm run conformance`.
      "test/conformance/{tf-serving,model-server,server-config,open-inference}.test.ts",
      "**/node_modules/**",
      "test/long/**",
      "test/hostile/**",
      "test/command/**",
      "test/browser/**",
      "test/chaos/**",
      "test/interop/**",
      "test/cluster/**",
      "test/packages/**",
    ],
    execArgv: ["--conditions=@tensorgate/source"],
    testTimeout: 20_000,
    // Modules are loaded once a worker rather than once a file, which saves a third of the time.
    isolate: false,
    // One fewer than there are processors is the default: half of a small machine.
    maxWorkers: "100%",
  },
});
