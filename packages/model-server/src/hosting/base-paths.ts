import { existsSync, realpathSync } from "node:fs";
import { isAbsolute, relative, resolve, sep } from "node:path";
import { grpcCode } from "@tensorgate/grpc";
import { ServingError, servingErrors } from "@tensorgate/tf-serving";

/** Folders that a caller may have models loaded from. */
export interface AllowedBasePaths {
  /** Folders of models: every folder inside them is allowed. */
  readonly below: readonly string[];
  /** Folders of versions of one model: only these are allowed, and no folder inside them. */
  readonly exactly: readonly string[];
}

/**
 * Checks that a base path is allowed. Otherwise a caller could have any file of the machine opened, and could learn
 * from the error whether it exists.
 *
 * @throws ServingError INVALID_ARGUMENT if it is not absolute, PERMISSION_DENIED if it is not allowed or links to a
 *   path that is not, whether or not it exists
 */
export function assertAllowed(name: string, basePath: string, allowed: AllowedBasePaths): void {
  assertAbsolute(name, basePath);
  if (!basePath.includes("\0") && isAllowed(resolve(basePath), allowed)) return;
  throw new ServingError(
    grpcCode.PERMISSION_DENIED,
    `base path ${basePath} of model ${name} is not below a folder that this server loads models from`,
  );
}

/** @throws ServingError INVALID_ARGUMENT if a base path is not absolute */
export function assertAbsolute(name: string, basePath: string): void {
  if (!isAbsolute(basePath)) throw servingErrors.relativeBasePath(name, basePath);
}

function isAllowed(path: string, { below, exactly }: AllowedBasePaths): boolean {
  // Links are followed if the path exists; otherwise only its name can be checked.
  const places = existsSync(path)
    ? (root: string) => [real(root)]
    : (root: string) => [root, real(root)];
  const requested = real(path);
  return (
    below.flatMap(places).some((root) => isBelow(requested, root)) ||
    exactly.flatMap(places).includes(requested)
  );
}

function real(path: string): string {
  return existsSync(path) ? realpathSync(path) : resolve(path);
}

function isBelow(path: string, root: string): boolean {
  const way = relative(root, path);
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
