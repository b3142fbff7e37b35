import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (path: string) => readFileSync(`${root}${path}`, "utf8");
const architecture: string = "../.dependency-cruiser.mjs";
const { default: rules }: { readonly default: { readonly forbidden: readonly Named[] } } =
  await import(architecture);

interface Named {
  readonly name: string;
}

const isOurs = (path: string) => !/(^|\/)(node_modules|dist|planted-\w+)(\/|$)/.test(path);
const files = globSync(
  "{.*,*,.ci/*,{bench,deploy,docs,examples,packages,proto,scripts,test}/**/*}",
  { cwd: root, exclude: (path) => !isOurs(path) },
);
const sources = files
  .filter((path) => /(\.(ts|tsx|mjs|proto)|config\.base\.json|biome\.json)$/.test(path))
  .filter((path) => path !== "test/pages.test.ts")
  .map(read)
  .join("\n");
const scripts = Object.keys(JSON.parse(read("package.json")).scripts);

/** Code between backticks, without blocks. */
const codeOf = (page: string) =>
  [...page.replace(/^```[\s\S]*?^```/gm, "").matchAll(/`([^`\n]+)`/g)].map(([, code = ""]) => code);

/** A file or a folder, by its path from the root or by the end of that. */
function isPath(text: string): boolean {
  const end = `/${text.replace(/\/$/, "")}`;
  return files.some((file) => `/${file}`.endsWith(end));
}

const looksLikePath = (text: string) =>
  /^[\w.-]+(\/[\w.-]+)*(\/|\/\w+|\.(ts|tsx|mjs|md|json|txt|yaml|sh))$/.test(text);

/** Code of a page that names nothing there is: no path, no script, no rule, no text of a source. */
function unknownIn(page: string): readonly string[] {
  return codeOf(page).filter((code) => {
    if (looksLikePath(code)) return !isPath(code);
    const script = /^npm (?:run )?([\w:]+)/.exec(code)?.[1];
    if (script !== undefined) return !scripts.includes(script);
    return !rules.forbidden.some(({ name }) => name === code) && !sources.includes(code);
  });
}

test.each(["ARCHITECTURE.md", "CONTRIBUTING.md"])("%s names in code only what there is", (page) => {
  expect(codeOf(read(page)).length).toBeGreaterThan(30);

  expect(unknownIn(read(page))).toEqual([]);
});

test.each([
  "`inbound/hallway/`",
  "`hallway/hallway.ts`",
  "`createHallway`",
  "`npm run hallway`",
  "`hallway-knows-no-door`",
])("%s would be found", (page) => {
  expect(unknownIn(page)).toHaveLength(1);
});

const pages = globSync(["*.md", "docs/*.md", "examples/*.md", "packages/*/README.md"], {
  cwd: root,
});
const folders = "packages|test|docs|deploy|bench|examples|scripts|proto";

test.each(pages)("%s names files and folders of the repository that exist", (page) => {
  const named = codeOf(read(page)).filter((code) =>
    new RegExp(`^(${folders})(/[\\w.-]+)+/?$`).test(code),
  );

  expect(named.filter((path) => !isPath(path))).toEqual([]);
});
