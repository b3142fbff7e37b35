import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const run = promisify(execFile);
const out = mkdtempSync(join(tmpdir(), "tensorgate-release-test-"));
afterAll(() => rmSync(out, { recursive: true }));

const release = (...args: readonly string[]) =>
  run(
    process.execPath,
    ["--conditions=@tensorgate/source", "scripts/release.ts", ...args, "--out", out],
    { cwd: root },
  );
const isClean = async (...paths: readonly string[]) =>
  (await run("git", ["status", "--porcelain", "--", ...paths], { cwd: root })).stdout === "";
const changing = ["package.json", "package-lock.json", "packages/*/package.json", "CHANGELOG.md"];

test.skipIf(!(await isClean(...changing)))(
  "a dry run makes tarballs, SBOM, notes and sums of the version, and changes nothing",
  async () => {
    const { stdout, stderr } = await release("99.0.0-rc.1", "--dry-run");

    expect(stderr).toContain("would commit and tag v99.0.0-rc.1");
    const published = stdout.match(/npm publish \S+/g) ?? [];
    expect(published.at(0)).toContain("tensorgate-proto-99.0.0-rc.1.tgz");
    expect(published.at(-1)).toContain("/tensorgate-99.0.0-rc.1.tgz");
    const sums = readFileSync(join(out, "SHA256SUMS"), "utf8").trim().split("\n");
    for (const line of sums) {
      const [sum = "", name = ""] = line.split("  ");
      const bytes = readFileSync(join(out, name));
      expect(createHash("sha256").update(bytes).digest("hex"), name).toBe(sum);
    }
    expect(sums.length).toBe(published.length + 1);
    expect(readdirSync(out).length).toBe(sums.length + 2);
    const sbom = JSON.parse(readFileSync(join(out, "tensorgate-99.0.0-rc.1.cdx.json"), "utf8"));
    expect(sbom).toMatchObject({ bomFormat: "CycloneDX", specVersion: expect.any(String) });
    const names = sbom.components.map(({ name, version }: Component) => `${name} ${version}`);
    expect(names).toContain("@tensorgate/gateway 99.0.0-rc.1");
    expect(names.some((name: string) => name.startsWith("sharp "))).toBe(true);
    expect(names.filter((name: string) => /^(vitest|vitepress|typedoc) /.test(name))).toEqual([]);
    expect(await isClean(...changing)).toBe(true);
    expect((await run("git", ["tag", "--list", "v99.0.0-rc.1"], { cwd: root })).stdout).toBe("");
  },
  300_000,
);

interface Component {
  readonly name: string;
  readonly version: string;
}

test("a version is needed, and must not be older than the packages", async () => {
  await expect(release()).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining("usage: npm run release -- VERSION"),
  });
  await expect(release("0.0.1", "--dry-run")).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/0\.0\.1 is older than the packages, which have \S+\n$/),
  });
});
