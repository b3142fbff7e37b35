// Every picture of a folder as a line of CSV, a few at a time; the exit code says whether any failed.
import { glob } from "node:fs/promises";
import { ScoringClient } from "@tensorgate/client";

const [folder = "."] = process.argv.slice(2);
await using client = new ScoringClient({ transport: "grpc" });

// An iterator of paths: however many there are, only a few are in memory.
const pictures = glob(`${folder}/**/*.{jpg,jpeg,png,webp}`);
for await (const outcome of client.classifyAll("shapes", pictures, { concurrency: 4, topK: 1 })) {
  if (outcome.ok) {
    const [best] = outcome.value;
    console.log([outcome.input, best?.label, best?.score].join(","));
  } else {
    process.exitCode = 1;
    console.error(outcome.error.message);
  }
}
