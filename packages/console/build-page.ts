/** Builds the page, and the browser client as one file beside it, into `dist/page`. */
import { fileURLToPath } from "node:url";
import { build } from "vite";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const common = {
  configFile: false,
  logLevel: "warn",
  resolve: { conditions: ["@tensorgate/source", "import", "module", "browser", "default"] },
} as const;

await build({
  ...common,
  root: here("page"),
  // The page's content security policy forbids data: URLs in the style sheet.
  build: { outDir: here("dist/page"), emptyOutDir: true, target: "es2022", assetsInlineLimit: 0 },
});
await build({
  ...common,
  root: here("."),
  publicDir: false,
  build: {
    outDir: here("dist/page"),
    emptyOutDir: false,
    target: "es2022",
    rolldownOptions: {
      input: here("../web-client/src/index.ts"),
      preserveEntrySignatures: "strict",
      output: { entryFileNames: "web-client.js" },
    },
  },
});
