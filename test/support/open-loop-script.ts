// Calls a service at a steady rate until a file appears, independent of the answers, and writes how many ended to a file beside it: node open-loop-script.ts URL KEY PICTURE RATE STOPFILE
import { existsSync, writeFileSync } from "node:fs";
import { setTimeout as waited } from "node:timers/promises";
import { ScoringClient, ScoringError } from "@tensorgate/client";

const [url = "", apiKey = "", picture = "", rate = "10", stopFile = ""] = process.argv.slice(2);
const client = new ScoringClient({ baseUrl: url, apiKey, timeoutMs: 20_000 });
const intervalMs = 1_000 / Number(rate);
const failures: string[] = [];
const labels = new Map<string, number>();
const open = new Set<Promise<void>>();
let slowestMs = 0;
let endedCount = 0;

async function call(): Promise<void> {
  const startedMs = performance.now();
  try {
    const [best] = await client.classify("shapes", picture);
    const label = best?.label ?? `class ${best?.index}`;
    labels.set(label, (labels.get(label) ?? 0) + 1);
  } catch (thrown) {
    const reason = ScoringError.is(thrown) ? thrown.reason : "unknown";
    failures.push(`${reason}: ${(thrown as Error).message}`);
  }
  slowestMs = Math.max(slowestMs, performance.now() - startedMs);
  endedCount += 1;
  writeFileSync(`${stopFile}.count`, String(endedCount));
}

const startedMs = performance.now();
let callCount = 0;
while (!existsSync(stopFile)) {
  const dueMs = startedMs + callCount * intervalMs;
  const earlyMs = dueMs - performance.now();
  if (earlyMs > 0) await waited(earlyMs);
  callCount += 1;
  const made = call();
  open.add(made);
  void made.then(() => open.delete(made));
}
await Promise.all(open);
await client.close();
process.stdout.write(
  `${JSON.stringify({ callCount, failures, labels: Object.fromEntries(labels), slowestMs: Math.round(slowestMs) })}\n`,
);
