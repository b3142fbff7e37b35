import { posix, relative, sep } from "node:path";
import type { MarkdownRenderer } from "vitepress";

/** Returns the address of a file or folder of the repository. */
export const sourceUrl = (path: string) =>
  `https://github.com/tensorgate/tensorgate${path === "" ? "" : `/blob/main/${path}`}`;

/** Makes links that leave the folder of the pages, which work in a checkout, lead to the repository. */
export function linkOutwards(markdown: MarkdownRenderer, docs: string): void {
  markdown.core.ruler.push("link-outwards", ({ tokens, env }) => {
    const page = relative(docs, env.path).split(sep).join("/");
    for (const token of tokens.flatMap(({ children }) => children ?? [])) {
      const href = token.type === "link_open" ? token.attrGet("href") : null;
      const outward = href === null ? undefined : outwardUrl(page, href);
      if (outward !== undefined) token.attrSet("href", outward);
    }
  });
}

/**
 * Returns where a link of a page leads that is to a file outside of the pages.
 *
 * @param page - path of the page in `docs`
 * @returns undefined for a link between pages, and for one that is absolute already
 */
export function outwardUrl(page: string, href: string): string | undefined {
  if (/^([a-z]+:|\/|#)/.test(href)) return undefined;
  const path = posix.join("docs", posix.dirname(page), href);
  const isPage = path.startsWith("docs/") && !path.startsWith("docs/snippets/");
  return isPage ? undefined : sourceUrl(path);
}
