import { expect, test } from "vitest";
import { planRelease, releaseNotes } from "../scripts/release/plan.ts";

const changelog =
  "# Changelog\n\n## Unreleased\n\n* Faster.\n\n## 0.1.0 (2026-01-01)\n\n* First.\n";
const files = new Map([
  ["CHANGELOG.md", changelog],
  [
    "package.json",
    JSON.stringify({ name: "root", devDependencies: { "@a/core": "0.1.0", x: "1.0.0" } }),
  ],
  ["packages/core/package.json", JSON.stringify({ name: "@a/core", version: "0.1.0" })],
  [
    "packages/cli/package.json",
    JSON.stringify({
      name: "@a/cli",
      version: "0.1.0",
      dependencies: { "@a/core": "0.1.0", y: "0.1.0" },
    }),
  ],
  ["deploy/kubernetes/tensorgate.yaml", "  image: tensorgate:0.1.0\nargs: []\n"],
  ["deploy/helm/tensorgate/Chart.yaml", "apiVersion: v2\nversion: 0.1.0\nappVersion: 0.1.0\n"],
]);
const read = (changed: ReadonlyMap<string, string>, path: string) =>
  JSON.parse(changed.get(path) ?? "{}");

test("a release gives every package, and what depends on it, one version", () => {
  const changed = planRelease(files, "0.2.0", "2026-02-03");

  expect(read(changed, "packages/core/package.json")).toEqual({
    name: "@a/core",
    version: "0.2.0",
  });
  expect(read(changed, "packages/cli/package.json")).toMatchObject({
    version: "0.2.0",
    dependencies: { "@a/core": "0.2.0", y: "0.1.0" },
  });
  expect(changed.get("deploy/helm/tensorgate/Chart.yaml")).toBe(
    "apiVersion: v2\nversion: 0.2.0\nappVersion: 0.2.0\n",
  );
  expect(read(changed, "package.json").devDependencies).toEqual({ "@a/core": "0.2.0", x: "1.0.0" });
  expect(changed.get("deploy/kubernetes/tensorgate.yaml")).toBe(
    "  image: tensorgate:0.2.0\nargs: []\n",
  );
});

test("the changelog's unreleased lines get the version and the date", () => {
  const changed = planRelease(files, "0.2.0-rc.1", "2026-02-03");

  expect(changed.get("CHANGELOG.md")).toBe(
    changelog.replace("* Faster", "## 0.2.0-rc.1 (2026-02-03)\n\n* Faster"),
  );
  expect(releaseNotes(changelog)).toBe("* Faster.");
});

test.each([
  ["0.0.9", "0.0.9 is older than the packages, which have 0.1.0"],
  ["0.1.0-rc.1", "is older than the packages"],
  ["v1", '"v1" is not a version such as 1.2.3'],
  ["", '"" is not a version'],
])('"%s" is refused', (version, message) => {
  expect(() => planRelease(files, version, "2026-02-03")).toThrow(message);
});

test("the version that the packages have already may be released, as the first is", () => {
  expect([...planRelease(files, "0.1.0", "2026-02-03").keys()]).toContain("CHANGELOG.md");
});

test("a release without changes, or with packages of several versions, is refused", () => {
  const empty = new Map(files).set(
    "CHANGELOG.md",
    "# Changelog\n\n## Unreleased\n\n## 0.1.0\n\n* First.\n",
  );
  const mixed = new Map(files).set(
    "packages/cli/package.json",
    JSON.stringify({ name: "@a/cli", version: "0.1.1" }),
  );

  expect(() => planRelease(empty, "0.2.0", "2026-02-03")).toThrow("lists nothing");
  expect(() => planRelease(mixed, "0.2.0", "2026-02-03")).toThrow("have versions 0.1.0, 0.1.1");
});
