// Writes pictures of every format, turned, cropped, offset and damaged, and compares what each way of reading them says.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { corpusCase, type Disagreement, disagreementsOf } from "./corpus.ts";

const { values: flags } = parseArgs({
  options: {
    count: { type: "string", default: "2000" },
    seed: { type: "string", default: "1" },
    index: { type: "string" },
    save: { type: "string" },
    help: { type: "boolean", short: "h", default: false },
  },
});
const count = Number(flags.count);
const seed = Number(flags.seed);
const first = Number(flags.index ?? 0);
if (flags.help || !Number.isInteger(count) || !Number.isInteger(seed) || !Number.isInteger(first)) {
  process.stdout.write(`npm run corpus -- [--count 2000] [--seed 1] [--index N] [--save FOLDER]

Every file is made of the seed and its index alone: --index tries one again, --save keeps those that disagree.
`);
  process.exit(flags.help ? 0 : 2);
}

const byKind = new Map<string, { files: number; found: Disagreement[] }>();
const last = flags.index === undefined ? count : first + 1;
for (let index = first; index < last; index += 1) {
  const drawn = await corpusCase(seed, index);
  const found = await disagreementsOf(drawn, index);
  const entry = byKind.get(drawn.kind) ?? { files: 0, found: [] };
  entry.files += 1;
  entry.found.push(...found);
  byKind.set(drawn.kind, entry);
  if (flags.save !== undefined && found.length > 0) {
    mkdirSync(flags.save, { recursive: true });
    writeFileSync(join(flags.save, `${index}.${drawn.kind.replace(/:.*/, "")}`), drawn.bytes);
  }
}

let total = 0;
for (const [kind, { files, found }] of [...byKind].toSorted(([a], [b]) => a.localeCompare(b))) {
  total += found.length;
  process.stdout.write(
    `${String(files).padStart(6)} files  ${kind}: ${found.length} disagreements\n`,
  );
  for (const { index, what } of found.slice(0, 3))
    process.stdout.write(`               ${index}: ${what}\n`);
}
process.stdout.write(`\n${last - first} files, seed ${seed}: ${total} disagreements\n`);
process.exit(total === 0 ? 0 : 1);
