import { fileURLToPath } from "node:url";
import { defineConfig } from "vitepress";
import { anchorOf } from "./anchors.ts";
import { linkOutwards, sourceUrl } from "./outward-links.ts";
import { sidebar } from "./sidebar.ts";

const docs = fileURLToPath(new URL("..", import.meta.url));

export default defineConfig({
  title: "Tensorgate",
  description: "A scoring gateway: images in, labels or boxes out.",
  cleanUrls: true,
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
