import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { minNodeVersion, nodeVersionFault } from "./node-version.ts";

test.each(["22.18.0", "22.20.1", "24.0.0", "26.10.0-nightly"])(
  "Node %s is new enough",
  (version) => {
    expect(nodeVersionFault(version)).toBeUndefined();
  },
);

test.each([
  ["20.20.2", "this is 20.20"],
  ["22.17.9", "this is 22.17"],
  ["14.8.0", "this is 14.8"],
])("Node %s is too old, and the message says which is needed", (version, said) => {
  expect(nodeVersionFault(version)).toBe(`needs Node 22.18 or newer; ${said}`);
});

test("engines of every package that runs on Node has the same version", () => {
  const root = fileURLToPath(new URL("../../..", import.meta.url));
  const manifests = globSync(["packages/*/package.json", "proto/package.json"], { cwd: root }).map(
    (path) => JSON.parse(readFileSync(`${root}${path}`, "utf8")),
  );
  const engines = manifests
    // It runs in browsers.
    .filter(({ name }) => name !== "@tensorgate/web-client")
    .map(({ name, engines }) => [name, engines?.node]);

  expect(engines.length).toBeGreaterThan(10);
  expect(engines.filter(([, node]) => node !== `>=${minNodeVersion}`)).toEqual([]);
});
