import { problemReply } from "./problem-json.ts";
import type { RestRoute } from "./rest-route.ts";

export interface ConsoleFile {
  readonly contentType: string;
  readonly body: Uint8Array;
}

/** The files of a page by their path, such as `/` and `/page.js`. */
export type ConsoleFiles = ReadonlyMap<string, ConsoleFile>;

/** The page may load nothing but its own files and talk to nobody but this gateway. */
const headers = {
  "content-security-policy":
    "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-cache",
};

/** Serves the page. Its files are handed in whole, so no path of a request ever reaches a file system. */
export function consoleRest(files: ConsoleFiles): readonly RestRoute[] {
  return [...files].map(([path, { contentType, body }]) => ({
    method: "GET",
    path,
    isPublic: true,
    errorReply: problemReply,
    answer: () => ({ contentType, body, headers }),
  }));
}
