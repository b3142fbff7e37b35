// Whether the clients' memory stays flat over many calls, answered and failed, retried and aborted.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { ScoringClient } from "@tensorgate/client";
import { ScoringClient as WebClient } from "@tensorgate/web-client";
import { startBackend } from "./backend/start-backend.ts";
import { startScript } from "./process.ts";
import type { SubjectOptions } from "./subjects/tensorgate.ts";

const { values: flags } = parseArgs({
  options: { calls: { type: "string", default: "100000" } },
});
const callCount = Number(flags.calls);
const concurrency = 16;
const sampleCount = 10;
/** What the heap may grow by after the first fifth, in MiB. */
const allowedMiB = 8;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

await using backend = await startBackend({ core: 1, addressCount: 1 });
const subject: SubjectOptions = { replicas: [`127.0.0.1:${backend.port}`] };
await using gateway = await startScript("subjects/tensorgate.ts", [JSON.stringify(subject)], 0);
const baseUrl = `http://127.0.0.1:${gateway.port}`;
const bytes = readFileSync(new URL("../examples/pictures/star.jpg", import.meta.url));
const blob = new Blob([bytes], { type: "image/jpeg" });

await using connect = new ScoringClient({ baseUrl });
await using grpc = new ScoringClient({ baseUrl, transport: "grpc" });
const web = new WebClient({ baseUrl });
/** One signal for all calls: each must take its listener away again. */
const shared = new AbortController();

const failing = async (call: Promise<unknown>) => {
  const failed = await call.then(
    () => false,
    () => true,
  );
  if (!failed) throw new Error("a call that cannot succeed did");
};

const kinds: readonly (() => Promise<unknown>)[] = [
  () => connect.classify("bench", bytes, { signal: shared.signal }),
  () => grpc.classify("bench", bytes, { signal: shared.signal }),
  () => web.classify("bench", blob, { signal: shared.signal }),
  () => failing(connect.classify("nothing", bytes)),
  () => failing(grpc.classify("nothing", bytes)),
  () => failing(web.classify("nothing", blob)),
  () => failing(connect.classify("bench", bytes, { signal: AbortSignal.abort() })),
  () => connect.with({ headers: { "x-other": "1" } }).classify("bench", bytes),
];

const samplesMiB: number[] = [];
let started = 0;
async function work(): Promise<void> {
  while (started < callCount) {
    const kind = kinds[started % kinds.length];
    started += 1;
    if (started % Math.floor(callCount / sampleCount) === 0) {
      collect();
      const { heapUsed, rss, arrayBuffers } = process.memoryUsage();
      samplesMiB.push((heapUsed + arrayBuffers) / 2 ** 20);
      process.stdout.write(
        `${String(started).padStart(8)} calls: ${samplesMiB.at(-1)?.toFixed(1)} MiB used, ${(rss / 2 ** 20).toFixed(0)} MiB resident\n`,
      );
    }
    await kind?.();
  }
}
const beganMs = performance.now();
await Promise.all(Array.from({ length: concurrency }, work));

// The first fifth fills caches and compiles code.
const settled = samplesMiB.slice(Math.ceil(sampleCount / 5));
const grewMiB = (settled.at(-1) ?? 0) - (settled[0] ?? 0);
process.stdout.write(
  `${callCount} calls in ${((performance.now() - beganMs) / 1_000).toFixed(0)} s; grew by ${grewMiB.toFixed(1)} MiB\n`,
);
if (grewMiB > allowedMiB) process.exitCode = 1;
