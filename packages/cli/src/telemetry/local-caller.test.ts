import type { IncomingMessage } from "node:http";
import { expect, test } from "vitest";
import { adminPath } from "./admin-path.ts";
import { localRefusal } from "./local-caller.ts";

function refused(remoteAddress: string, host: string | undefined) {
  const request = { socket: { remoteAddress }, headers: { host }, method: "GET" };
  return localRefusal(request as IncomingMessage)?.status;
}

test.each([
  ["127.0.0.1", "127.0.0.1:9090"],
  ["127.0.0.2", "localhost"],
  ["::1", "[::1]:9090"],
  ["::ffff:127.0.0.1", "LOCALHOST:9090"],
])("a program of this machine may ask: %s for %s", (address, host) => {
  expect(refused(address, host)).toBeUndefined();
});

test.each([
  ["10.0.0.4", "127.0.0.1:9090"],
  ["::ffff:10.0.0.4", "localhost"],
  ["127.0.0.1", "rebound.example:9090"],
  ["127.0.0.1", "127.0.0.1.example"],
  ["127.0.0.1", undefined],
])("others may not: %s for %s", (address, host) => {
  expect(refused(address, host)).toBe(403);
});

test.each([
  { path: "/devices", url: "/devices?x=1", segments: [] },
  { path: "/swaps/:id", url: "/swaps/a%2Fb", segments: ["a/b"] },
  { path: "/swaps/:id/abort", url: "/swaps/1/abort", segments: ["1"] },
  { path: "/swaps/:id", url: "/swaps/%", segments: undefined },
  { path: "/swaps/:id", url: "/swaps/1/", segments: undefined },
  { path: "/devices", url: "/metrics", segments: undefined },
])("$url is of the route $path: $segments", ({ path, url, segments }) => {
  expect(adminPath(path, url)).toEqual(segments);
});
