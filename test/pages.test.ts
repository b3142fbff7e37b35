import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { anchorOf } from "../docs/.vitepress/anchors.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (path: string) => readFileSync(`${root}${path}`, "utf8");
const architecture: string = "../.dependency-cruiser.mjs";
const { default: rules }: { readonly default: { readonly forbidden: readonly Rule[] } } =
  await import(architecture);

interface Rule {
  readonly name: string;
  readonly to: { readonly pathNot?: readonly string[] };
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
  /^[\w.-]+(\/[\w.-]+)*(\/|\/[\w-]+|\.(ts|tsx|mjs|md|json|txt|yaml|sh))$/.test(text);

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

test("ARCHITECTURE.md lists what each package may import as the rules have it", () => {
  const rows = [
    ...read("ARCHITECTURE.md").matchAll(/^\| `(?:packages\/)?([\w-]+)` \| ([^|]+) \|/gm),
  ];
  const listed = rows.map(([, name = "", imports = ""]) => [
    name,
    imports === "none" ? [name] : [name, ...imports.split(", ")],
  ]);
  const ruled = rules.forbidden
    .filter(({ name }) => /^(?!stage-).*-imports-only-its-own$/.test(name))
    .map(({ name, to }) => [
      name.replace("-imports-only-its-own", ""),
      to.pathNot?.map((folder) => folder.replace(/^\^(packages\/)?|\/$/g, "")),
    ]);

  expect(Object.fromEntries(listed)).toEqual({ ...Object.fromEntries(ruled), proto: ["proto"] });
});

const pages = globSync(
  [
    "*.md",
    "docs/{,tutorials/,how-to/,reference/,explanation/}*.md",
    "examples/*.md",
    "packages/*/README.md",
  ],
  {
    cwd: root,
  },
);
const folders = "packages|test|docs|deploy|bench|examples|scripts|proto";

test.each(pages)("%s names files and folders of the repository that exist", (page) => {
  const named = codeOf(read(page)).filter((code) =>
    new RegExp(`^(${folders})(/[\\w.-]+)+/?$`).test(code),
  );

  expect(named.filter((path) => !isPath(path))).toEqual([]);
});

/** Links of a page to files of the repository, and to headings of its pages, that lead nowhere. */
function brokenLinksIn(page: string, text: string): readonly string[] {
  const links = [...text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)];
  return links
    .filter(([, target = "", anchor]) => {
      const path = target === "" ? page : join(dirname(page), target);
      if (!existsSync(`${root}${path}`)) return true;
      const headings = [...(anchor ? read(path) : "").matchAll(/^#+ (.+)$/gm)];
      return anchor !== undefined && !headings.some(([, text = ""]) => anchorOf(text) === anchor);
    })
    .map(([link]) => link);
}

test.each(pages)("%s links to what there is", (page) => {
  expect(brokenLinksIn(page, read(page))).toEqual([]);
});

test.each(["[hallway](hallway.md)", "[terms](../CONTRIBUTING.md#hallway)", "[here](#hallway)"])(
  "%s would be found",
  (link) => {
    expect(brokenLinksIn("docs/routing.md", link)).toHaveLength(1);
    expect(brokenLinksIn("docs/routing.md", "[terms](../CONTRIBUTING.md#glossary)")).toEqual([]);
  },
);
