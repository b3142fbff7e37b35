/** Builds the site of the documentation into `docs/.vitepress/dist`: `npm run docs:build`. Fails on any warning. */
import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { brokenLinks } from "./site-links.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const site = join(root, "docs/.vitepress/dist");
const base = process.env["DOCS_BASE"] ?? "/";

/** Runs a script with the Node of this process; ends the build if it fails or warns. */
function run(...args: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: "utf8",
  });
  const said = `${stdout}${stderr}`;
  process.stdout.write(said);
  if (status !== 0) process.exit(status ?? 1);
  if (/\bwarn|\(!\)/i.test(said)) fail("the build has warnings, see above");
}

function fail(message: string): never {
  process.stderr.write(`docs: ${message}\n`);
  process.exit(1);
}

run("--conditions=@tensorgate/source", "scripts/docs/api-pages.ts");
run("node_modules/vitepress/bin/vitepress.js", "build", "docs");

const files = globSync("**/*", { cwd: site }).map((path) => path.split(sep).join("/"));
const pages = files
  .filter((path) => path.endsWith(".html"))
  .map((path) => ({ path, html: readFileSync(join(site, path), "utf8") }));
const broken = brokenLinks(pages, new Set(files), base);
if (broken.length > 0) fail(`links that lead nowhere:\n${broken.join("\n")}`);
process.stdout.write(
  `docs: ${pages.length} pages in ${relative(root, site)}, every link leads somewhere\n`,
);
