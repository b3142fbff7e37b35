import { readFileSync } from "node:fs";

/** A file of the page, ready to be sent. */
export interface ConsoleFile {
  readonly contentType: string;
  readonly body: Uint8Array;
}

const contentTypes = {
  "index.html": "text/html; charset=utf-8",
  "page.css": "text/css; charset=utf-8",
  "page.js": "text/javascript; charset=utf-8",
} as const;

/** The files of the page by the path that a gateway serves them at. */
export function consoleFiles(): ReadonlyMap<string, ConsoleFile> {
  return new Map(
    Object.entries(contentTypes).map(([name, contentType]) => [
      name === "index.html" ? "/" : `/${name}`,
      { contentType, body: readFileSync(new URL(`../public/${name}`, import.meta.url)) },
    ]),
  );
}
