/**
 * Prepares a release: `npm run release -- 1.2.3`, or `npm run release -- --dry-run`.
 *
 * Sets the version of every package, closes the section of the changelog, builds and packs, installs what was packed
 * into an empty project and writes its SBOM (CycloneDX, by npm itself), then commits and tags. It pushes and publishes
 * nothing; it prints how. A dry run does all of it but leaves files, commits and tags as they were.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Files, planRelease, releaseNotes } from "./release/plan.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const say = (line: string) => process.stderr.write(`release: ${line}\n`);
const run = (command: string, args: readonly string[], cwd = root) =>
  execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
const git = (...args: readonly string[]) => run("git", args).trim();

const usage = "usage: npm run release -- VERSION [--dry-run] [--out FOLDER]";

function readFiles(): Files {
  const paths = [
    ...globSync(["package.json", "packages/*/package.json", "proto/package.json"], { cwd: root }),
    ...["package-lock.json", "CHANGELOG.md"],
    ...["deploy/helm/tensorgate/Chart.yaml", "deploy/kubernetes/tensorgate.yaml"],
  ];
  return new Map(paths.toSorted().map((path) => [path, readFileSync(join(root, path), "utf8")]));
}

const write = (files: Files) => {
  for (const [path, text] of files) writeFileSync(join(root, path), text);
};

/** @throws Error if the repository is not as a release needs it */
function checkRepository(version: string, paths: readonly string[]): void {
  const changed = git("status", "--porcelain", "--", ...paths);
  if (changed !== "") throw new Error(`commit or discard these changes first:\n${changed}`);
  if (git("tag", "--list", `v${version}`) !== "") throw new Error(`tag v${version} exists already`);
}

/** @returns paths of the tarballs, in an order in which each comes after those that it depends on */
function packInto(out: string): readonly string[] {
  const script = ["--conditions=@tensorgate/source", "scripts/pack.ts", out];
  return run(process.execPath, script).trim().split("\n");
}

/** Installs what was packed as a user does, without install scripts, and lists everything that came. */
function sbomOf(tarballs: readonly string[], version: string): string {
  const project = mkdtempSync(join(tmpdir(), "tensorgate-release-"));
  try {
    const manifest = { name: "tensorgate-release", version, private: true, license: "Apache-2.0" };
    writeFileSync(join(project, "package.json"), JSON.stringify(manifest));
    const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--silent"];
    run("npm", ["install", ...quiet, ...tarballs], project);
    return run(
      "npm",
      ["sbom", "--sbom-format", "cyclonedx", "--sbom-type", "application"],
      project,
    );
  } finally {
    rmSync(project, { recursive: true });
  }
}

const sha256 = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");

function release(version: string, out: string, isDryRun: boolean): void {
  const before = readFiles();
  const tag = `v${version}`;
  const changes = planRelease(
    new Map([...before].filter(([path]) => path !== "package-lock.json")),
    version,
    new Date().toISOString().slice(0, 10),
  );
  checkRepository(version, isDryRun ? [...before.keys()] : ["."]);

  let isDone = false;
  // Ctrl-C ends the program that runs at the moment, and the files are restored.
  const ignore = () => {};
  process.on("SIGINT", ignore);
  process.on("SIGTERM", ignore);
  try {
    write(changes);
    run("npm", ["install", "--package-lock-only", "--ignore-scripts", "--silent"]);
    say(`version ${version} in ${[...changes.keys()].join(", ")}`);
    rmSync(out, { recursive: true, force: true });
    mkdirSync(out, { recursive: true });
    const tarballs = packInto(out);
    const sbom = join(out, `tensorgate-${version}.cdx.json`);
    writeFileSync(sbom, sbomOf(tarballs, version));
    writeFileSync(join(out, "NOTES.md"), `${releaseNotes(before.get("CHANGELOG.md") ?? "")}\n`);
    const sums = [...tarballs, sbom].map((path) => `${sha256(path)}  ${basename(path)}\n`);
    writeFileSync(join(out, "SHA256SUMS"), sums.join(""));
    say(`${tarballs.length} tarballs, SBOM, notes and SHA256SUMS in ${out}`);
    if (!isDryRun) {
      git("commit", "--quiet", "--all", "--message", `Release ${version}`);
      git("tag", "--annotate", tag, "--message", `Tensorgate ${version}`);
    }
    isDone = !isDryRun;
    const publish = tarballs.map((path) => `  npm publish ${path}`);
    const next = [`  git push --follow-tags`, ...publish];
    say(`${isDryRun ? `would commit and tag ${tag}; then` : `tagged ${tag}; now`}:`);
    process.stdout.write(`${next.join("\n")}\n`);
  } finally {
    if (!isDone) write(before);
  }
}

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      "dry-run": { type: "boolean", default: false },
      out: { type: "string", default: "tarballs" },
    },
  });
  const isDryRun = values["dry-run"];
  const manifest = JSON.parse(readFileSync(join(root, "packages/core/package.json"), "utf8"));
  const [version = isDryRun ? manifest.version : undefined] = positionals;
  if (version === undefined || positionals.length > 1) throw new Error(usage);
  release(version, resolve(root, values.out), isDryRun);
} catch (thrown) {
  say(thrown instanceof Error ? thrown.message : String(thrown));
  process.exitCode = 1;
}
