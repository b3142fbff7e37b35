import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readRegularFile } from "./regular-file.ts";

function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-file-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

test("a file is read, also by a link", () => {
  const folder = emptyFolder();
  const link = join(folder, "link");
  writeFileSync(join(folder, "labels"), "one\ntwo\n");
  symlinkSync("labels", link);

  expect(readRegularFile(link).toString()).toBe("one\ntwo\n");
});

test.skipIf(process.platform === "win32")(
  "a pipe without a writer, a device and a folder are errors, immediately",
  () => {
    const folder = emptyFolder();
    const pipe = join(folder, "pipe");
    execFileSync("mkfifo", [pipe]);

    for (const path of [pipe, "/dev/zero", folder]) {
      expect(() => readRegularFile(path)).toThrow(`${path} is not a regular file`);
    }
  },
);

test("a file of more than 16 MiB is an error before it is read", () => {
  const path = join(emptyFolder(), "large");
  writeFileSync(path, "");
  truncateSync(path, 2 ** 40);

  expect(() => readRegularFile(path)).toThrow("at most 16777216 are read");
});
