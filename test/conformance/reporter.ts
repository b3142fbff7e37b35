import type { Reporter, TestModule } from "vitest/node";

interface Count {
  passed: number;
  failed: number;
  excepted: number;
}

/** Prints how many cases of each file passed, failed or were excepted, and why those failed. */
export default class ConformanceReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = new Map<string, Count>();
    const notes: string[] = [];
    for (const module of modules) {
      for (const each of module.children.allTests()) {
        const file = /^(\w+\.jsonl(?: \([^)]*\))?): /.exec(each.name)?.[1];
        if (!file) continue;
        const count = counts.get(file) ?? { passed: 0, failed: 0, excepted: 0 };
        counts.set(file, count);
        const result = each.result();
        const { state } = result;
        const note = "note" in result ? result.note : undefined;
        if (state === "passed") count.passed += 1;
        else if (state === "skipped") {
          count.excepted += 1;
          notes.push(`excepted: ${each.name}${note ? `: ${note}` : ""}`);
        } else {
          count.failed += 1;
          notes.push(`failed: ${each.name}\n${result.errors?.[0]?.message ?? ""}`);
        }
      }
    }
    const lines = [...counts].map(
      ([file, { passed, failed, excepted }]) =>
        `${file}: ${passed} passed, ${failed} failed, ${excepted} excepted`,
    );
    process.stdout.write(`${[...notes, ...lines].join("\n")}\n`);
  }
}
