/** Puts the files of `docs/snippets` and `examples` into the pages that show them: `npm run docs:snippets`. */
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { withSnippets } from "./fences.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (path: string) => readFileSync(`${root}${path}`, "utf8");

for (const path of globSync("docs/{,tutorials/,how-to/,explanation/}*.md", { cwd: root })) {
  const page = read(path);
  const filled = withSnippets(page, read);
  if (filled !== page) writeFileSync(`${root}${path}`, filled);
}
