import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { outwardUrl, sourceUrl } from "../docs/.vitepress/outward-links.ts";
import { sidebar } from "../docs/.vitepress/sidebar.ts";
import { fencesOf, withSnippets } from "../scripts/docs/fences.ts";
import { brokenLinks } from "../scripts/docs/site-links.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (path: string) => readFileSync(`${root}${path}`, "utf8");
const pages = globSync("docs/{,tutorials/,how-to/,reference/,explanation/}*.md", { cwd: root });
const tests = globSync("test/**/*.test.ts", { cwd: root }).map(read).join("\n");

describe("blocks of code", () => {
  test.each(pages)("%s shows files as they are: npm run docs:snippets", (page) => {
    expect(withSnippets(read(page), read)).toBe(read(page));
  });

  test("every file of docs/snippets is shown, and a test names its folder", () => {
    const shown = new Set(pages.flatMap((page) => fencesOf(read(page)).map(({ path }) => path)));
    const files = globSync("docs/snippets/**/*.*", { cwd: root });

    expect(files.length).toBeGreaterThan(10);
    expect(files.filter((path) => !shown.has(path))).toEqual([]);
    const folders = new Set(files.map((path) => path.split("/")[2] ?? ""));
    expect([...folders].filter((name) => !tests.includes(name))).toEqual([]);
  });

  const guides = pages.filter((page) => /^docs\/(tutorials|how-to)\//.test(page));

  test.each(guides)("%s has its code from files, or a test follows it", (page) => {
    const loose = fencesOf(read(page)).filter(
      ({ language, path, text }) =>
        path === undefined &&
        (/^(ts|tsx|js|html|python|go|nginx)$/.test(language) ||
          // Without pools it is a part of a configuration, which runs nowhere.
          (/^ya?ml$/.test(language) && /^pools:/m.test(text))),
    );

    expect(loose.length === 0 || tests.includes(page.replace("docs/", ""))).toBe(true);
  });

  test("a file that differs from what the page shows is found", () => {
    const page = "```ts docs/snippets/a.ts\nold\n```\n";

    expect(withSnippets(page, () => "new\n")).toBe("```ts docs/snippets/a.ts\nnew\n```\n");
  });
});

test("the sidebar lists every page once, by its heading", () => {
  const links = sidebar(`${root}docs`).flatMap(({ items = [] }) =>
    items.flatMap((item) => item.items ?? [item]),
  );
  // What is in `api` is written when the site is built.
  const listed = links.map(({ link }) => `docs${link}.md`).filter((path) => !/\/api\//.test(path));
  const decisions = globSync("docs/decisions/*.md", { cwd: root });
  const expected = [...pages, ...decisions].filter((path) => path !== "docs/index.md");

  expect(listed.toSorted()).toEqual(expected.toSorted());
  expect(links).toContainEqual({ text: "Routing", link: "/routing" });
});

test.each([
  ["operating.md", "../deploy/", "https://github.com/tensorgate/tensorgate/blob/main/deploy/"],
  ["tutorials/a.md", "../../examples/a.ts", expect.stringMatching(/main\/examples\/a\.ts$/)],
  ["how-to/a.md", "../snippets/b/c.ts", expect.stringMatching(/main\/docs\/snippets\/b\/c\.ts$/)],
  ["tutorials/a.md", "../routing.md#failures", undefined],
  ["routing.md", "#failures", undefined],
  ["routing.md", "https://vite.dev", undefined],
])("on %s a link to %s leads to the right place", (page, href, expected) => {
  expect(outwardUrl(page, href)).toEqual(expected);
});

test.each(["index.html", "public/docs/index.html"])(
  "%s of the console links to the guides",
  (page) => {
    const links = [...read(`packages/console/page/${page}`).matchAll(/href="([^"]+)">Guides</g)];

    expect(links.map(([, href]) => href)).toEqual([sourceUrl("docs").replace("/blob/", "/tree/")]);
  },
);

test("a link of the built site that leads nowhere is found", () => {
  const html = `<h2 id="there"></h2><a href="/tg/b#there"></a><a href="/tg/b#gone"></a>
    <a href="/tg/gone"></a><a href="/elsewhere"></a><a href="https://vite.dev"></a><a href="#there"></a>`;
  const site = [
    { path: "a.html", html },
    { path: "b.html", html: '<h1 id="there"></h1>' },
  ];

  expect(brokenLinks(site, new Set(["a.html", "b.html"]), "/tg/")).toEqual([
    "a.html: /tg/b#gone",
    "a.html: /tg/gone",
    "a.html: /elsewhere",
  ]);
});

test("every text of the troubleshooting page is one that a program prints", () => {
  const sources = globSync("packages/*/src/**/*.ts", { cwd: root, exclude: ["**/*.test.ts"] })
    .map(read)
    .join("\n");
  const rows = [...read("docs/reference/troubleshooting.md").matchAll(/^\| `([^`]+)` \|/gm)];
  const texts = rows.map(([, text = ""]) => text);
  const isPrinted = (text: string) =>
    text.split("…").every((part) => part.trim() === "" || sources.includes(part.trim()));

  expect(texts.length).toBeGreaterThan(25);
  expect(texts.filter((text) => !isPrinted(text))).toEqual([]);
});
