import { defineConfig } from "vitest/config";

/** The cases of what TensorFlow Serving answers. */
export default defineConfig({
  ssr: { resolve: { conditions: ["@tensorgate/source"] } },
  test: {
    include: [
      "packages/tf-serving/src/rest/conformance.test.ts",
      "packages/tf-serving/src/tensor-proto.test.ts",
      "test/conformance/tf-serving.test.ts",
    ],
    reporters: ["./test/conformance/reporter.ts"],
    execArgv: ["--conditions=@tensorgate/source"],
    testTimeout: 60_000,
    hookTimeout: 900_000,
  },
});
