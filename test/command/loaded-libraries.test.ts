import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

/** Names of the native libraries that a process has loaded when it has imported `packageName`. */
async function librariesOf(packageName: string): Promise<readonly string[]> {
  const script = `
    await import("${packageName}");
    process.report.excludeNetwork = true;
    console.log(JSON.stringify(process.report.getReport().sharedObjects));
  `;
  const { stdout } = await promisify(execFile)(process.execPath, [
    "--conditions=@tensorgate/source",
    "--input-type=module",
    "--eval",
    script,
  ]);
  return JSON.parse(stdout);
}

test.for([
  ["@tensorgate/gateway", false],
  ["@tensorgate/model-server", false],
  ["@tensorgate/imaging/decode", true],
] as const)("a process with %s has libvips loaded: %s", async ([packageName, isLoaded]) => {
  const libraries = await librariesOf(packageName);
  expect(libraries.length).toBeGreaterThan(0);
  expect(libraries.some((path) => path.includes("vips"))).toBe(isLoaded);
});
