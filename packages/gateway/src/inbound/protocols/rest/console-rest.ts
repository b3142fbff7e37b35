import type { RestRoute } from "../http-route.ts";
import { problemReply } from "./errors.ts";

export interface ConsoleFile {
  readonly contentType: string;
  readonly body: Uint8Array;
  /** Whether its name changes with what is in it, so that a browser may keep it. */
  readonly isImmutable?: boolean;
}

/** The files of a page by their path, such as `/` and `/web-client.js`. */
export type ConsoleFiles = ReadonlyMap<string, ConsoleFile>;

/** The page may load nothing but its own files and talk to nobody but this gateway. */
const headers = {
  "content-security-policy":
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; worker-src blob:; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

/** A year, in seconds: as long as it is worth saying. */
const immutable = "public, max-age=31536000, immutable";

/** Serves the page. Its files are handed in whole, so no path of a request ever reaches a file system. */
export function consoleRest(files: ConsoleFiles): readonly RestRoute[] {
  return [...files].map(([path, { contentType, body, isImmutable }]) => ({
    method: "GET",
    path,
    isPublic: true,
    errorReply: problemReply,
    answer: () => ({
      ...{ contentType, body },
      headers: { ...headers, "cache-control": isImmutable ? immutable : "no-cache" },
    }),
  }));
}
