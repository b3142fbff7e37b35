import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** A copy of the sources that can be changed, with the packages that are installed here. */
export interface TreeCopy extends Disposable {
  readonly directory: string;
}

/** Copies what is in the working tree, committed or not. */
export function copyTree(root: string): TreeCopy {
  const directory = mkdtempSync(path.join(tmpdir(), "tensorgate-mutants-"));
  const listed = execFileSync("git", ["ls-files", "-z", "-co", "--exclude-standard"], {
    cwd: root,
    maxBuffer: 2 ** 26,
  });
  for (const file of listed.toString("utf8").split("\0").filter(Boolean)) {
    const from = path.join(root, file);
    if (existsSync(from)) cpSync(from, path.join(directory, file), { verbatimSymlinks: true });
  }
  linkModules(root, directory);
  for (const name of readdirSync(path.join(root, "packages"))) {
    for (const built of ["node_modules", "dist"]) {
      const from = path.join(root, "packages", name, built);
      if (existsSync(from)) symlinkSync(from, path.join(directory, "packages", name, built));
    }
  }
  return {
    directory,
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** Every package as it is installed, but our own from the copy. */
function linkModules(root: string, directory: string): void {
  const modules = path.join(root, "node_modules");
  const linked = path.join(directory, "node_modules");
  mkdirSync(linked);
  for (const name of readdirSync(modules)) {
    if (name === "@tensorgate")
      cpSync(path.join(modules, name), path.join(linked, name), {
        recursive: true,
        verbatimSymlinks: true,
      });
    else if (!name.startsWith(".vite"))
      symlinkSync(path.join(modules, name), path.join(linked, name));
  }
}
