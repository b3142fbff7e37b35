import { existsSync, globSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { CommandError } from "../command-error.ts";
import { isWebAddress } from "./remote-picture.ts";

/** Name of standard input as a picture. */
export const standardInput = "-";

const pictureName = /\.(jpe?g|png|gif|webp|avif|heic|tiff?)$/i;

/**
 * Returns the paths of pictures: files, web addresses, the pictures in folders and their subfolders, and matches of
 * patterns. Each once, in order.
 *
 * @throws CommandError if one of `names` has no picture
 */
export function picturePaths(names: readonly string[]): readonly string[] {
  return [...new Set(names.flatMap(pathsOf))];
}

function pathsOf(name: string): readonly string[] {
  if (name === standardInput || isWebAddress(name)) return [name];
  if (existsSync(name)) return statSync(name).isDirectory() ? picturesBelow(name) : [name];
  const matches = globSync(name).filter((path) => pictureName.test(path));
  if (matches.length > 0) return matches.toSorted();
  throw new CommandError(`${name}: no such file`);
}

function picturesBelow(folder: string): readonly string[] {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => pictureName.test(path))
    .map((path) => join(folder, path))
    .toSorted();
  if (paths.length > 0) return paths;
  throw new CommandError(`${folder} has no pictures`);
}
