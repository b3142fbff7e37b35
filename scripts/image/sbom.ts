import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";

/** What an image has, to list it. */
export interface ImageContents {
  /** Of the workspace, with its lock file. */
  readonly root: string;
  /** The product as `stageProduct` left it. */
  readonly staged: string;
  readonly version: string;
  /** The program of Node. */
  readonly node: string;
  /** Paths in the image of the system's libraries, with the files that they are copies of. */
  readonly libraries: ReadonlyMap<string, string>;
}

interface Component {
  readonly "bom-ref": string;
  readonly type: string;
  readonly name: string;
  readonly version?: string;
  readonly purl?: string;
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
}

interface Bom {
  readonly metadata: { readonly timestamp?: string };
  readonly serialNumber?: string;
  readonly components: readonly Component[];
}

/**
 * Lists what an image has, as CycloneDX: the packages of the lock file that are installed in it, by `npm sbom`, then Node,
 * and the system's libraries with the Debian packages that they are of. The same contents give the same bytes.
 *
 * @see CycloneDX 1.5
 */
export function imageSbom(contents: ImageContents): string {
  const { metadata, serialNumber: _, components, ...bom } = JSON.parse(npmSbom(contents)) as Bom;
  const { timestamp: __, ...about } = metadata;
  const all = [...components, nodeComponent(contents.node), ...libraryComponents(contents)];
  return `${JSON.stringify({ ...bom, metadata: about, components: all }, null, 2)}\n`;
}

interface Manifest {
  readonly workspaces?: readonly string[];
  readonly [member: string]: unknown;
}

interface LockFile {
  readonly packages: Readonly<Record<string, Manifest>>;
}

/**
 * Runs `npm sbom` on what the image has of the lock file. With `--omit=dev` npm also leaves out what the workspace uses for
 * development and a package needs (zod, sharp), so dependencies for development are removed from the files that it reads.
 */
function npmSbom({ root, staged, version }: ImageContents): string {
  const own = { name: "tensorgate-image", version };
  const temporary = mkdtempSync(join(tmpdir(), "tensorgate-sbom-"));
  // npm names the whole after the folder.
  const folder = join(temporary, own.name);
  try {
    const write = (path: string, value: unknown) => {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), JSON.stringify(value));
    };
    const manifest = withoutDevelopment(readJson(join(root, "package.json")));
    write("package.json", { ...manifest, ...own });
    for (const workspace of manifest.workspaces ?? []) {
      const path = join(workspace, "package.json");
      write(path, withoutDevelopment(readJson(join(root, path))));
    }
    const lock = readJson(join(root, "package-lock.json")) as unknown as LockFile;
    const installed = Object.entries(lock.packages).filter(([path]) =>
      existsSync(join(staged, path)),
    );
    const packages = Object.fromEntries(
      installed.map(([path, each]) => [path, withoutDevelopment(each)]),
    );
    const whole = { ...packages[""], ...own };
    write("package-lock.json", { ...lock, ...own, packages: { ...packages, "": whole } });
    const args = ["sbom", "--package-lock-only", "--sbom-format=cyclonedx"];
    return execFileSync("npm", [...args, "--sbom-type=application"], {
      cwd: folder,
      encoding: "utf8",
      maxBuffer: 64 << 20,
      stdio: ["ignore", "pipe", "inherit"],
    });
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

const readJson = (path: string) => JSON.parse(readFileSync(path, "utf8")) as Manifest;

function withoutDevelopment({ devDependencies: _, ...manifest }: Manifest): Manifest {
  return manifest;
}

function nodeComponent(node: string): Component {
  const { node: version } = process.versions;
  const purl = `pkg:generic/node@${version}`;
  const hashes = hashesOf(node);
  return { "bom-ref": purl, type: "application", name: "node", version, purl, hashes };
}

function libraryComponents({ libraries }: ImageContents): readonly Component[] {
  return [...libraries].map(([path, file]) => {
    const found = { "bom-ref": `file:${path}`, hashes: hashesOf(file) };
    const debian = debianPackage([path, file]);
    if (!debian) return { ...found, type: "file", name: path };
    const { name, version, architecture } = debian;
    const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${architecture}`;
    return { ...found, type: "library", name: `${name} (${basename(path)})`, version, purl };
  });
}

const hashesOf = (file: string) => [
  { alg: "SHA-256", content: createHash("sha256").update(readFileSync(file)).digest("hex") },
];

/** Finds the package of a file. @param paths - of the file, since /lib may be a link to /usr/lib */
function debianPackage(paths: readonly string[]) {
  const candidates = paths.flatMap((path) => [path, path.replace(/^\/usr/, "")]);
  for (const path of new Set(candidates)) {
    const owner = /^([^:\s]+(?::\w+)?): /.exec(said("dpkg-query", "--search", path))?.[1];
    if (owner === undefined) continue;
    const format = ["--showformat=", "{Version} ", "{Architecture}"].join("$");
    const [version, architecture] = said("dpkg-query", "--show", format, owner).split(" ");
    const name = owner.split(":")[0];
    if (name && version && architecture) return { name, version, architecture };
  }
  return undefined;
}

function said(program: string, ...args: readonly string[]): string {
  try {
    return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch {
    // Another system than Debian, or a file of no package.
    return "";
  }
}
