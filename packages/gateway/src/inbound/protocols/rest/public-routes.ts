import type { Readiness } from "@tensorgate/core";
import type { HttpRoute } from "../http-handler.ts";
import { problemBody } from "./errors.ts";

/** `GET /livez`: the process works. `GET /readyz`: some pool can serve, and it does not drain. */
export function healthRoutes(readiness: () => Readiness): readonly HttpRoute[] {
  return [
    {
      method: "GET",
      path: "/livez",
      isPublic: true,
      errorBody: problemBody,
      answer: () => ({ contentType: "text/plain", body: "ok\n" }),
    },
    {
      method: "GET",
      path: "/readyz",
      isPublic: true,
      errorBody: problemBody,
      answer: () => {
        const { isReady, because } = readiness();
        return {
          status: isReady ? 200 : 503,
          contentType: "text/plain",
          body: `${isReady ? "ok" : "not ready"}: ${because}\n`,
        };
      },
    },
  ];
}

/** `GET /openapi.json`: the routes of plain HTTP. A test compares it with the routes. Most gateways are never asked for it. */
export function openapiRoutes(version: string): readonly HttpRoute[] {
  let written: Promise<Buffer> | undefined;
  async function write(): Promise<Buffer> {
    const { openapiDocument } = await import("./openapi/document.ts");
    return Buffer.from(`${JSON.stringify(openapiDocument(version), undefined, 2)}\n`);
  }
  return [
    {
      method: "GET",
      path: "/openapi.json",
      isPublic: true,
      errorBody: problemBody,
      answer: async () => {
        written ??= write();
        return {
          contentType: "application/json",
          body: await written,
          headers: { "cache-control": "no-cache" },
          isTagged: true,
        };
      },
    },
  ];
}

export interface ConsoleFile {
  readonly contentType: string;
  readonly body: Uint8Array;
  /** Whether its name changes with what is in it, so that a browser may keep it. */
  readonly isImmutable?: boolean;
}

/** The files of a page by their path, such as `/` and `/web-client.js`. */
export type ConsoleFiles = ReadonlyMap<string, ConsoleFile>;

/** The page may load only its own files and call only this gateway. */
const headers = {
  "content-security-policy":
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; worker-src blob:; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

/** A year, in seconds: as long as it is worth saying. */
const immutable = "public, max-age=31536000, immutable";

/** Serves the page. Its files are in memory, so no path of a request ever reaches a file system. */
export function consoleRoutes(files: ConsoleFiles): readonly HttpRoute[] {
  return [...files].map(([path, { contentType, body, isImmutable }]) => ({
    method: "GET",
    path,
    isPublic: true,
    errorBody: problemBody,
    answer: () => ({
      contentType,
      body,
      headers: { ...headers, "cache-control": isImmutable ? immutable : "no-cache" },
      isTagged: true,
    }),
  }));
}
