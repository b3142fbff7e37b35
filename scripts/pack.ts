/**
 * Builds every package from scratch and packs it as it is published: `npm run pack -- FOLDER`.
 *
 * What is packed is a copy: with the licence, and without what only the workspace needs. ONNX Runtime is packed into the
 * model server, without its install script: that loads hundreds of megabytes for CUDA, which the model server does not
 * use, from a host that firewalls block, and then the installation fails.
 */
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly scripts?: unknown;
  readonly files: readonly string[];
  readonly exports?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly devDependencies?: unknown;
}

const root = fileURLToPath(new URL("..", import.meta.url));
/** A condition that leads to sources, which are not shipped. */
const ownCondition = "@tensorgate/source";

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
}

/** @returns folders of the packages that are published */
function packageFolders(): readonly string[] {
  const { workspaces } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    readonly workspaces: readonly string[];
  };
  return workspaces.map((path) => join(root, path));
}

/** Nothing of an older build may be left among what is packed. */
function buildAnew(): void {
  for (const folder of packageFolders()) {
    rmSync(join(folder, "tsconfig.tsbuildinfo"), { force: true });
    const dist = join(folder, "dist");
    const built = existsSync(dist) ? readdirSync(dist) : [];
    for (const name of built.filter((each) => !["page", "samples"].includes(each))) {
      rmSync(join(dist, name), { recursive: true });
    }
  }
  const run = (file: string, ...args: readonly string[]) =>
    execFileSync(process.execPath, [join(root, "node_modules", file), ...args], {
      cwd: root,
      stdio: "inherit",
    });
  run("@typescript/native/bin/tsc", "-b");
}

function publishedManifest({ devDependencies: _, ...manifest }: Manifest): object {
  const exports = Object.entries(manifest.exports ?? {}).map(([path, conditions]) => {
    const { [ownCondition]: _source, ...published } = conditions;
    return [path, published];
  });
  const bundledNames = bundled[manifest.name]
    ?.map(({ name }) => name)
    .filter((name) => name in (manifest.dependencies ?? {}));
  return {
    ...manifest,
    ...(manifest.exports && { exports: Object.fromEntries(exports) }),
    ...(bundledNames && { bundleDependencies: bundledNames }),
  };
}

/** Dependencies that are packed into a package, with what each needs besides its own files. */
const bundled: Readonly<Record<string, readonly BundledPackage[]>> = {
  "@tensorgate/model-server": [
    {
      name: "onnxruntime-node",
      // The others are for its install script.
      dependencies: ["onnxruntime-common"],
      parts: ["bin", "dist", "package.json", "README.md"],
    },
    {
      name: "onnxruntime-common",
      dependencies: [],
      parts: ["dist/cjs", "dist/esm", "package.json", "README.md"],
    },
  ],
};

interface BundledPackage {
  readonly name: string;
  readonly dependencies: readonly string[];
  readonly parts: readonly string[];
}

/** Copies a dependency into the staged package, without scripts. */
function bundle(staged: string, { name, dependencies, parts }: BundledPackage): void {
  const from = join(root, "node_modules", name);
  const to = join(staged, "node_modules", name);
  for (const part of parts) cpSync(join(from, part), join(to, part), { recursive: true });
  const { scripts: _, devDependencies: _ours, ...manifest } = manifestOf(from);
  const needed = Object.entries(manifest.dependencies ?? {}).filter(([each]) =>
    dependencies.includes(each),
  );
  writeFileSync(
    join(to, "package.json"),
    `${JSON.stringify({ ...manifest, dependencies: Object.fromEntries(needed) }, null, 2)}\n`,
  );
}

/** @returns path of the tarball */
function packed(folder: string, out: string): string {
  const manifest = manifestOf(folder);
  const staged = mkdtempSync(join(tmpdir(), "tensorgate-pack-"));
  try {
    for (const name of readdirSync(folder)) {
      const isWanted = name === "README.md" || !["node_modules", "package.json"].includes(name);
      if (isWanted) cpSync(join(folder, name), join(staged, name), { recursive: true });
    }
    cpSync(join(root, "LICENSE"), join(staged, "LICENSE"));
    // The command deploys by the chart.
    if (manifest.files.includes("chart")) {
      cpSync(join(root, "deploy/helm/tensorgate"), join(staged, "chart"), { recursive: true });
    }
    writeFileSync(
      join(staged, "package.json"),
      `${JSON.stringify(publishedManifest(manifest), null, 2)}\n`,
    );
    for (const each of bundled[manifest.name] ?? []) bundle(staged, each);
    const said = execFileSync("npm", ["pack", "--silent", "--pack-destination", out], {
      cwd: staged,
      encoding: "utf8",
    });
    return join(out, said.trim().split("\n").at(-1) ?? "");
  } finally {
    rmSync(staged, { recursive: true });
  }
}

const [target = "tarballs"] = process.argv.slice(2);
const out = resolve(target);
mkdirSync(out, { recursive: true });
buildAnew();
for (const folder of packageFolders()) process.stdout.write(`${packed(folder, out)}\n`);
