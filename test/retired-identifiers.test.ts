import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (path: string) => readFileSync(`${root}${path}`, "utf8");

/** Whole identifiers that were renamed to the field's terms, one a line. */
const retired = read("test/retired-identifiers.txt")
  .split("\n")
  .filter((line) => line !== "");

const sources = globSync("{packages,test,bench,scripts,examples}/**/*.{ts,tsx,mjs,js}", {
  cwd: root,
  exclude: (path) => /(^|\/)(node_modules|dist)(\/|$)/.test(path),
});
/** The pages that tell what is; those that tell what was keep its names. */
const pages = globSync(
  ["*.md", "docs/{,how-to/,reference/,explanation/}*.md", "examples/*.md", "packages/*/README.md"],
  {
    cwd: root,
  },
).filter((path) => path !== "CHANGELOG.md");

const anyOf = (words: readonly string[]) => new RegExp(`\\b(?:${words.join("|")})\\b`);

/** The retired words that are identifiers in a source: not those in its comments and strings. */
function retiredIn(text: string, words: readonly string[]): readonly string[] {
  if (words.length === 0 || !anyOf(words).test(text)) return [];
  const found = new Set<string>();
  const visit = (node: ts.Node): void => {
    const isName = ts.isIdentifier(node) || ts.isPrivateIdentifier(node);
    const name = isName ? node.text.replace("#", "") : "";
    if (words.includes(name)) found.add(name);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile("source.tsx", text, ts.ScriptTarget.Latest));
  return [...found];
}

/** The retired words in the code of a page: between backticks, and in its blocks. */
function retiredInPage(text: string, words: readonly string[]): readonly string[] {
  const code = text.match(/^```[\s\S]*?^```|^ {4}.*$|`[^`\n]+`/gm) ?? [];
  return words.filter((word) => code.some((piece) => anyOf([word]).test(piece)));
}

test("no source has a retired identifier", () => {
  expect(sources.length).toBeGreaterThan(500);

  const faults = sources.flatMap((path) =>
    retiredIn(read(path), retired).map((word) => `${path}: ${word}`),
  );

  expect(faults).toEqual([]);
});

test("no page has one in its code", () => {
  expect(pages.length).toBeGreaterThan(10);

  const faults = pages.flatMap((path) =>
    retiredInPage(read(path), retired).map((word) => `${path}: ${word}`),
  );

  expect(faults).toEqual([]);
});

test("the list has each word once", () => {
  expect(retired).toEqual([...new Set(retired)]);
  expect(retired.filter((word) => !/^[A-Za-z]\w*$/.test(word))).toEqual([]);
});

test.each([
  "const aheadOf = 1;",
  "import { aheadOf } from './queue.ts';",
  "interface Queue { readonly aheadOf: number }",
  "queue.aheadOf();",
  "class Queue { #aheadOf = 1; }",
  `const view = \`\${queue.aheadOf} wait\`;`,
])("%s would be found", (source) => {
  expect(retiredIn(source, ["aheadOf"])).toEqual(["aheadOf"]);
});

test.each(["const isAheadOf = 1;", "const aheadof = 1;", "// aheadOf", 'const old = "aheadOf";'])(
  "%s is no such identifier",
  (source) => {
    expect(retiredIn(source, ["aheadOf"])).toEqual([]);
  },
);

test.each(["the `aheadOf` of a queue", "    queue.aheadOf()", "```ts\nqueue.aheadOf();\n```"])(
  "a page with %s would be found",
  (page) => {
    expect(retiredInPage(page, ["aheadOf"])).toEqual(["aheadOf"]);
    expect(retiredInPage("a queue with aheadOf", ["aheadOf"])).toEqual([]);
  },
);
