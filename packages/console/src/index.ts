import { readdirSync, readFileSync } from "node:fs";
import { extname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** A file of the page, ready to be sent. */
export interface ConsoleFile {
  readonly contentType: string;
  readonly body: Uint8Array;
  /** Whether its name changes with what is in it, so that a browser may keep it. */
  readonly isImmutable: boolean;
}

const contentTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
};

/** As built, beside the compiled module; the source lies one folder away from that. */
const folder = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "../dist/page" : "./page", import.meta.url),
);

/**
 * The files of the page by the path that a gateway serves them at.
 *
 * @throws the system's error if the page was not built
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
