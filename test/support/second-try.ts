import type { Reporter, TestCase } from "vitest/node";

/** Tells which tests passed only when they were tried again, and what failed the first time. */
class SecondTryReporter implements Reporter {
  onTestCaseResult(test: TestCase): void {
    const { retryCount = 0 } = test.diagnostic() ?? {};
    const { state, errors } = test.result();
    if (state !== "passed" || retryCount === 0) return;
    const why = errors?.[0]?.message.slice(0, 600) ?? "";
    process.stdout.write(
      `second try: ${test.module.relativeModuleId} > ${test.fullName}: ${why}\n`,
    );
  }
}

/**
 * `TENSORGATE_RETRIES` is how often a test that fails is tried again: 0 by default, 1 in `.ci/run`, whose machine may stand
 * still for seconds while real processes wait for each other. A fault fails twice, and each second try is told.
 */
export const secondTry = {
  retry: Number(process.env["TENSORGATE_RETRIES"] ?? 0),
  reporters: ["default", new SecondTryReporter()],
};
