import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { alignedTable, commaSeparated, jsonLines, type ScoredPicture } from "./outcome-text.ts";
import { picturePaths } from "./picture-paths.ts";
import { createProgressBar } from "./progress-bar.ts";

const folder = mkdtempSync(join(tmpdir(), "tensorgate-score-"));
mkdirSync(join(folder, "deep"));
for (const name of ["b.jpg", "a.PNG", "notes.txt", "deep/c.webp"]) {
  writeFileSync(join(folder, name), "");
}
afterAll(() => rmSync(folder, { recursive: true }));

const inFolder = (...names: readonly string[]) => names.map((name) => join(folder, name));

test("a folder gives its pictures and those below, a file itself, a pattern what it finds; each once", () => {
  expect(picturePaths([folder])).toEqual(inFolder("a.PNG", "b.jpg", "deep/c.webp"));
  expect(picturePaths([join(folder, "notes.txt"), "-"])).toEqual([join(folder, "notes.txt"), "-"]);
  expect(picturePaths([join(folder, "*.*"), join(folder, "b.jpg")])).toEqual(
    inFolder("a.PNG", "b.jpg"),
  );
});

test.each(["nowhere.jpg", "nowhere/*.jpg"])("%s is reported", (name) => {
  expect(() => picturePaths([join(folder, name)])).toThrow("no such file");
});

const labelled: ScoredPicture = {
  input: "cat.jpg",
  labels: [{ index: 3, label: 'a "cat", big', score: 0.75 }],
};
const box = { x: 1.5, y: 2, width: 3, height: 4 };
const boxed: ScoredPicture = {
  input: "s.jpg",
  boxes: [{ index: 1, label: "star", score: 0.5, box, normalized: box }],
};
const failed: ScoredPicture = {
  input: "=bad.jpg",
  error: Object.assign(new Error("no picture"), { reason: "unsupported-media", requestId: "r" }),
};

test("JSON lines hold what was found, or why not", () => {
  const lines = [labelled, boxed, { input: "none.jpg", boxes: [] }, failed].map((outcome) =>
    JSON.parse(jsonLines.line(outcome)),
  );

  expect(lines).toEqual([
    { input: "cat.jpg", labels: [{ index: 3, label: 'a "cat", big', score: 0.75 }] },
    { input: "s.jpg", boxes: [expect.objectContaining({ label: "star", box })] },
    { input: "none.jpg", boxes: [] },
    {
      input: "=bad.jpg",
      error: { reason: "unsupported-media", requestId: "r", message: "no picture" },
    },
  ]);
});

test("comma-separated values are quoted, and no cell is a formula", () => {
  expect([commaSeparated.head, ...[labelled, boxed, failed].map(commaSeparated.line)]).toEqual([
    "input,index,label,score,x,y,width,height,error",
    'cat.jpg,3,"a ""cat"", big",0.75,,,,,',
    "s.jpg,1,star,0.5,1.5,2,3,4,",
    "'=bad.jpg,,,,,,,,no picture",
  ]);
});

test("the table is aligned, without colours where there are none", () => {
  const table = alignedTable(["cat.jpg", "=bad.jpg"], false);

  expect([labelled, boxed, failed, { input: "e", labels: [] }].map(table.line)).toEqual([
    'cat.jpg   a "cat", big 75.0 %',
    "s.jpg     star 50.0 % at 2,2 3×4",
    "=bad.jpg  no picture",
    "e         nothing found",
  ]);
});

test("a bar is drawn on a terminal only, and taken away at the end", () => {
  const written: string[] = [];
  const stream = { isTTY: true, columns: 80, write: (text: string) => written.push(text) };
  const bar = createProgressBar(2, stream);
  bar.advance(false);
  bar.advance(true);
  bar.end();

  expect(written.join("")).toContain("2 of 2, 1 failed");
  expect(written.at(-1)).toBe("\r\u001b[2K");
  const quiet: string[] = [];
  createProgressBar(2, { write: (text: string) => quiet.push(text) }).advance(false);
  expect(quiet).toEqual([]);
});

test.each([
  { columns: 0, drawn: `${"░".repeat(24)} 0 of 2`, because: "no columns is no size" },
  { columns: 30, drawn: `${"░".repeat(24)} 0 of`, because: "a narrow one is not overrun" },
])("a bar on a terminal of $columns columns: $because", ({ columns, drawn }) => {
  const written: string[] = [];
  createProgressBar(2, { isTTY: true, columns, write: (text) => written.push(text) });

  expect(written).toEqual([`\r\u001b[2K${drawn}`]);
});
