// Writes the newest results into docs/performance.md and draws them: `npm run bench:report`.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chartNames, chartOf } from "./charts.ts";
import { withResults } from "./page.ts";
import { newestResults } from "./results.ts";

const path = (name: string) => fileURLToPath(new URL(`../../docs/${name}`, import.meta.url));

mkdirSync(path("performance"), { recursive: true });
for (const group of chartNames) {
  const results = newestResults(group);
  if (results) writeFileSync(path(`performance/${group}.svg`), chartOf(results));
}
const page = readFileSync(path("performance.md"), "utf8");
writeFileSync(path("performance.md"), withResults(page, newestResults));
