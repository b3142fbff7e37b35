import { defineConfig } from "vitest/config";
import { secondTry } from "./test/support/second-try.ts";

/** The cases of what TensorFlow Serving and servers of the Open Inference Protocol answer. */
export default defineConfig({
  ssr: { resolve: { conditions: ["@tensorgate/source"] } },
  test: {
    retry: secondTry.retry,
    include: [
      "packages/tf-serving/src/rest/conformance.test.ts",
      "packages/tf-serving/src/tensor-proto.test.ts",
      "packages/tf-serving/src/metrics/prometheus-text.test.ts",
      "packages/model-server/src/hosting/version-policy.test.ts",
      "test/conformance/*.test.ts",
      "packages/tf-serving/src/inference/example-results.test.ts",
    ],
    reporters: ["./test/conformance/reporter.ts"],
    execArgv: ["--conditions=@tensorgate/source"],
    testTimeout: 60_000,
    hookTimeout: 900_000,
  },
});
