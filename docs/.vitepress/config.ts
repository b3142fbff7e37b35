import { fileURLToPath } from "node:url";
import { defineConfig } from "vitepress";
import { anchorOf } from "./anchors.ts";
import { linkOutwards, sourceUrl } from "./outward-links.ts";
import { sidebar } from "./sidebar.ts";

const docs = fileURLToPath(new URL("..", import.meta.url));

/** That of the page of a gateway. */
const icon =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='3' fill='%231f5fd6'/%3E%3Cpath d='M3 13V6a5 5 0 0 1 10 0v7' fill='none' stroke='white' stroke-width='2'/%3E%3C/svg%3E";

export default defineConfig({
  title: "Tensorgate",
  description: "A scoring gateway: images in, labels or boxes out.",
  cleanUrls: true,
  head: [["link", { rel: "icon", href: icon }]],
  // Under a path, as pages of a repository are: DOCS_BASE=/tensorgate/ npm run docs:build.
  base: (process.env["DOCS_BASE"] ?? "/") as `/${string}/`,
  srcExclude: ["snippets/**"],
  // Tutorials name servers that their reader has started.
  ignoreDeadLinks: "localhostLinks",
  markdown: {
    // Pages are plain Markdown: <name> and {{ name }} in a sentence are text, no tags and expressions of Vue.
    html: false,
    anchor: { slugify: anchorOf },
    config: (markdown) => {
      linkOutwards(markdown, docs);
      // Indented code is commands, as blocks of `sh` are.
      markdown.core.ruler.push("indented-code", ({ tokens }) => {
        for (const token of tokens.filter(({ type }) => type === "code_block")) {
          token.type = "fence";
          token.info = /^(curl|npm|npx|tensorgate|git) /m.test(token.content) ? "sh" : "text";
        }
      });
      // Scripts find their places in a page by comments.
      markdown.core.ruler.before("normalize", "drop-comments", (state) => {
        state.src = state.src.replace(/^<!--.*?-->$/gm, "");
      });
      const { text } = markdown.renderer.rules;
      markdown.renderer.rules.text = (...args) =>
        (text?.(...args) ?? "").replaceAll("{{", "&#123;&#123;");
    },
  },
  transformPageData: ({ relativePath, frontmatter }) => {
    // Written by a script, so there is no source to view.
    if (relativePath.startsWith("reference/api/")) frontmatter["editLink"] = false;
  },
  // The index of the search is one chunk, which is loaded when someone searches.
  vite: { build: { chunkSizeWarningLimit: 2_000 } },
  themeConfig: {
    nav: [
      { text: "Tutorials", link: "/tutorials/rest" },
      { text: "How-to", link: "/how-to/tensorflow-serving" },
      { text: "Reference", link: "/options" },
      { text: "Explanation", link: "/explanation/why-a-gateway" },
    ],
    sidebar: sidebar(docs),
    outline: [2, 3],
    search: { provider: "local" },
    socialLinks: [{ icon: "github", link: sourceUrl("") }],
    editLink: { pattern: sourceUrl("docs/:path"), text: "View the source of this page" },
  },
});
