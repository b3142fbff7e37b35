import { readdirSync, readFileSync } from "node:fs";
import { extname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** A file of the page. */
export interface ConsoleFile {
  readonly contentType: string;
  readonly body: Uint8Array;
  /** Whether its name changes with its content, so that a browser may cache it. */
  readonly isImmutable: boolean;
}

const contentTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
};

/** Folder of the built page, beside the compiled module. */
const folder = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "../dist/page" : "./page", import.meta.url),
);

/**
 * Returns the files of the page by their path at the gateway.
 *
 * @throws the error of the system if the page was not built
 */
export function consoleFiles(): ReadonlyMap<string, ConsoleFile> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && contentTypes[extname(entry.name)] !== undefined)
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/"));
  return new Map(
    names.map((name) => [
      name === "index.html" ? "/" : `/${name}`,
      {
        contentType: contentTypes[extname(name)] ?? "",
        body: readFileSync(join(folder, name)),
        isImmutable: name.startsWith("assets/"),
      },
    ]),
  );
}
