import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../testing.ts";
import { type TarEntry, tarOf } from "./tar.ts";

const file = (path: string, text = path): TarEntry => ({
  kind: "file",
  path,
  byteCount: Buffer.byteLength(text),
  read: () => [Buffer.from(text)],
});

async function bytesOf(entries: readonly TarEntry[]): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of tarOf(entries)) pieces.push(piece);
  return Buffer.concat(pieces);
}

const longName = `models/${"long-".repeat(40)}/1/größe ${"x".repeat(90)}.bin`;

test("tar reads names of every length, links, modes and contents", async () => {
  using folder = temporaryFolder();
  const bytes = await bytesOf([
    file(longName, "long"),
    file("models/shapes/1/model.onnx"),
    file("empty", ""),
    { ...file("bin/run"), isExecutable: true } as TarEntry,
    { kind: "link", path: "lib64", target: "usr/lib64" },
    { kind: "folder", path: "tmp", isShared: true },
  ]);
  const archive = join(folder.path, "layer.tar");
  writeFileSync(archive, bytes);
  const out = join(folder.path, "out");
  mkdirSync(out);

  execFileSync("tar", ["-xpf", archive, "-C", out]);

  expect(readFileSync(join(out, longName), "utf8")).toBe("long");
  expect(readFileSync(join(out, "models/shapes/1/model.onnx"), "utf8")).toContain("shapes");
  expect(statSync(join(out, "empty")).size).toBe(0);
  expect(statSync(join(out, "bin/run")).mode & 0o777).toBe(0o755);
  expect(statSync(join(out, "tmp")).mode & 0o7777).toBe(0o1777);
  const listed = execFileSync("tar", ["-tvf", archive, "--numeric-owner"], { encoding: "utf8" });
  expect(listed).toContain("lib64 -> usr/lib64");
  expect(listed.split("\n").filter((line) => line && !line.includes(" 0/0 "))).toEqual([]);
});

test("the order of entries and their folders do not change the bytes", async () => {
  const given = [file("b/c"), file("a"), file("b-d")];

  const bytes = await bytesOf(given);

  expect(await bytesOf(given.toReversed())).toEqual(bytes);
  expect(await bytesOf([...given, { kind: "folder", path: "b" }])).toEqual(bytes);
});

test.each([
  { path: "../etc/passwd" },
  { path: "/etc/passwd" },
  { path: "a//b" },
  { path: "" },
  { path: "a/./b" },
])('the path "$path" is refused', async ({ path }) => {
  await expect(bytesOf([file(path)])).rejects.toThrow("invalid path");
});

test("a path twice, a file that is also a folder, and a file that grew are refused", async () => {
  await expect(bytesOf([file("a"), file("a")])).rejects.toThrow('"a" is twice');
  await expect(bytesOf([file("a"), file("a/b")])).rejects.toThrow("a file and a folder");
  const grew: TarEntry = { kind: "file", path: "a", byteCount: 1, read: () => [Buffer.from("ab")] };
  await expect(bytesOf([grew])).rejects.toThrow("a has 2 bytes, not 1");
});

test("files of 8 GiB and more have their size in a pax header", async () => {
  const size = 8 ** 11;
  const huge: TarEntry = { kind: "file", path: "huge", byteCount: size, read: () => [] };
  const pieces: Uint8Array[] = [];
  const writing = (async () => {
    for await (const piece of tarOf([huge])) pieces.push(piece);
  })();

  await expect(writing).rejects.toThrow("huge has 0 bytes");
  expect(Buffer.concat(pieces).toString("latin1")).toContain(`19 size=${size}\n`);
});
