import { execFileSync } from "node:child_process";
import {
  cpSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileEntry, type TarEntry } from "@tensorgate/oci-image";

/**
 * Puts the product into a folder as an image has it: built packages, what the lock file lists for production, pruned.
 *
 * @param root - of the workspace, whose packages are built
 */
export function stageProduct(root: string, folder: string): void {
  const { workspaces } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    readonly workspaces: readonly string[];
  };
  const copy = (path: string) => cpSync(join(root, path), join(folder, path), { recursive: true });
  for (const path of ["package.json", "package-lock.json", "LICENSE"]) copy(path);
  for (const workspace of workspaces) {
    copy(`${workspace}/package.json`);
    const { files } = JSON.parse(readFileSync(join(root, workspace, "package.json"), "utf8")) as {
      readonly files: readonly string[];
    };
    // The chart is for machines that deploy, and lies elsewhere.
    const own = files.filter((name) => !name.includes("*") && name !== "chart");
    for (const each of own) copy(`${workspace}/${each}`);
  }
  const run = (program: string, ...args: readonly string[]) =>
    execFileSync(program, args, { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
  run("npm", "ci", "--omit=dev", "--ignore-scripts", "--prefer-offline", "--no-audit", "--silent");
  run(process.execPath, join(root, "scripts/prune-image.mjs"));
}

/** Lists files and links below a folder as entries of a layer. @param at - path in the image */
export function entriesBelow(folder: string, at: string): readonly TarEntry[] {
  return namesBelow(folder).map((name): TarEntry => {
    const file = join(folder, name);
    const path = `${at}/${name}`;
    const stats = lstatSync(file);
    if (stats.isSymbolicLink()) return { kind: "link", path, target: readlinkSync(file) };
    const isExecutable = (stats.mode & 0o100) !== 0;
    return fileEntry(path, { file, byteCount: stats.size, isExecutable });
  });
}

/** Lists files and links. Links to folders, as those of workspaces, are not entered. */
function namesBelow(folder: string, below = ""): readonly string[] {
  return readdirSync(join(folder, below), { withFileTypes: true }).flatMap((entry) => {
    const name = below === "" ? entry.name : `${below}/${entry.name}`;
    return entry.isDirectory() ? namesBelow(folder, name) : [name];
  });
}

/**
 * Finds the libraries of the system that programs need, as `ldd` lists them, at the paths where their loader looks.
 *
 * @param folders - with programs and libraries; those that are in them are not the system's
 * @returns the file of each path, sorted by path
 */
export function systemLibraries(folders: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const program of folders.flatMap(programsBelow)) {
    for (const [, path = ""] of ldd(program).matchAll(/(\/\S+) \(0x/g)) {
      const isSystems = !folders.some((folder) => !relative(folder, path).startsWith(".."));
      if (isSystems) found.set(path, realpathSync(path));
    }
  }
  return new Map([...found].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function programsBelow(folder: string): readonly string[] {
  if (!statSync(folder).isDirectory()) return [folder];
  return namesBelow(folder)
    .filter((name) => /\.(node|so(\.[\d.]+)?)$/.test(name))
    .map((name) => join(folder, name))
    .filter((file) => !lstatSync(file).isSymbolicLink());
}

function ldd(program: string): string {
  const env = { ...process.env, LD_LIBRARY_PATH: dirname(program) };
  try {
    return execFileSync("ldd", [program], {
      encoding: "utf8",
      env,
      stdio: ["ignore", "pipe", "ignore"],
    });
  } catch {
    // A file of another C library, or none that is linked dynamically.
    return "";
  }
}
