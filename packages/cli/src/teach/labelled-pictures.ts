import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { maxExamples } from "@tensorgate/teaching";
import { CommandError } from "../command-error.ts";
import { picturePaths } from "../score/picture-paths.ts";

/** Pictures with their classes. */
export interface LabelledPictures {
  /** Names of the classes, sorted. */
  readonly classes: readonly string[];
  readonly pictures: readonly LabelledPicture[];
}

export interface LabelledPicture {
  readonly path: string;
  readonly classIndex: number;
}

/**
 * Finds labelled pictures: each folder in `from` is a class, and the pictures in it and below are its examples.
 *
 * @throws CommandError if there are fewer than two such folders, one has no pictures, or there are too many
 */
export function labelledPictures(from: string): LabelledPictures {
  if (!statSync(from, { throwIfNoEntry: false })?.isDirectory()) {
    throw new CommandError(`${from}: no such folder`);
  }
  const classes = readdirSync(from, { withFileTypes: true })
    .filter((entry) => !entry.name.startsWith(".") && isFolder(join(from, entry.name)))
    .map(({ name }) => name)
    .toSorted();
  if (classes.length < 2) {
    throw new CommandError(
      `${from} has ${classes.length === 1 ? "one folder" : "no folders"}; expected a folder for each class, such as ${join(from, "cat")} and ${join(from, "dog")}`,
    );
  }
  const pictures = classes.flatMap((name, classIndex) =>
    picturePaths([join(from, name)]).map((path) => ({ path, classIndex })),
  );
  if (pictures.length > maxExamples) {
    throw new CommandError(`${from} has ${pictures.length} pictures; the limit is ${maxExamples}`);
  }
  return { classes, pictures };
}

const isFolder = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
