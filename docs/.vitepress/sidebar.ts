import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { DefaultTheme } from "vitepress";

type Item = DefaultTheme.SidebarItem;

/**
 * The four parts of the site, by Diátaxis, each a folder. Pages that were there before the parts keep their address in
 * `docs` and are listed by name. The first ones of a part come in this order, the others by title.
 */
const parts = [
  { text: "Tutorials", folder: "tutorials", first: ["rest", "browser", "node-service"], pages: [] },
  {
    text: "How-to guides",
    folder: "how-to",
    first: ["tensorflow-serving", "triton", "fpga-container"],
    pages: ["own-weights", "operating"],
  },
  {
    text: "Reference",
    folder: "reference",
    first: ["options", "protocols", "errors", "command", "troubleshooting", "faq", "glossary"],
    pages: ["options", "protocols", "errors", "models", "conversion", "performance"],
  },
  {
    text: "Explanation",
    folder: "explanation",
    first: ["why-a-gateway"],
    pages: ["routing", "devices"],
  },
] as const;

/** Folders whose pages are many: folded, after the pages of their part. */
const folded = [
  { text: "Client for Node", folder: "reference/api/client", in: "Reference" },
  { text: "Client for browsers", folder: "reference/api/web-client", in: "Reference" },
  { text: "Decisions", folder: "decisions", in: "Explanation" },
] as const;

/**
 * Lists every page of a folder of pages. A page that none of the parts names is in the reference.
 *
 * @param docs - path of the folder
 */
export function sidebar(docs: string): Item[] {
  const named = new Set<string>(parts.flatMap(({ pages }) => pages));
  const others = pagesIn(docs, "*.md").filter((page) => !named.has(page) && page !== "index");
  return parts.map(({ text, folder, first, pages }) => {
    const paths = [
      ...pages,
      ...(text === "Reference" ? others : []),
      ...pagesIn(docs, `${folder}/*.md`),
      // Written when the site is built.
      ...(text === "Reference" ? pagesIn(docs, "reference/api/*.md") : []),
    ];
    const items = paths.map((page) => item(docs, page));
    items.sort((left, right) => rank(left, first) - rank(right, first) || byText(left, right));
    return { text, items: [...items, ...groups(docs, text)] };
  });
}

const pagesIn = (docs: string, pattern: string) =>
  globSync(pattern, { cwd: docs }).map((path) => path.replace(/\.md$/, ""));

const item = (docs: string, page: string): Item => ({
  text: titleOf(readFileSync(join(docs, `${page}.md`), "utf8")) ?? page,
  link: `/${page}`,
});

/** Returns the first heading of a page, without its markup. */
function titleOf(text: string): string | undefined {
  return /^# (.+)$/m.exec(text)?.[1]?.replace(/[`*\\]/g, "");
}

function rank({ link = "" }: Item, first: readonly string[]): number {
  const at = first.indexOf(link.split("/").at(-1) ?? "");
  return at < 0 ? first.length : at;
}

const byText = (left: Item, right: Item) => (left.text ?? "").localeCompare(right.text ?? "");

function groups(docs: string, part: string): Item[] {
  return folded
    .filter((each) => each.in === part)
    .map(({ text, folder }) => ({
      text,
      collapsed: true,
      items: pagesIn(docs, `${folder}/**/*.md`)
        .map((page) => item(docs, page))
        .toSorted((left, right) => (left.link ?? "").localeCompare(right.link ?? "")),
    }))
    .filter(({ items }) => items.length > 0);
}
