import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { corpusCase } from "../corpus/corpus.ts";
import type { PictureCase } from "../corpus/picture-case.ts";
import { difference } from "../corpus/pixels.ts";
import { hasPython, pythonWith } from "../support/python.ts";

const script = fileURLToPath(new URL("read_pictures.py", import.meta.url));
const count = 1_500;
const folder = mkdtempSync(join(tmpdir(), "tensorgate-corpus-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface PillowLine {
  readonly name: string;
  readonly width?: number;
  readonly height?: number;
  readonly refusal?: string;
}

/** What Pillow sees that the one who drew the picture did not draw. */
function faultOf(line: PillowLine, { kind, seen, maxDifference }: PictureCase): string | undefined {
  if (!seen) return undefined;
  const { name, width: widthPx = 0, height: heightPx = 0, refusal } = line;
  const what = `${kind} (${name})`;
  if (refusal !== undefined) return `${what}: ${refusal}`;
  if (widthPx !== seen.widthPx || heightPx !== seen.heightPx) {
    return `${what}: ${widthPx}×${heightPx} for ${seen.widthPx}×${seen.heightPx}`;
  }
  const data = readFileSync(join(folder, `${name}.rgb`));
  const far = difference({ widthPx, heightPx, data }, seen);
  // It mixes inks and reduces 16 bits by its own rounding.
  return far > maxDifference + 1 ? `${what}: pixels differ by ${far.toFixed(1)}` : undefined;
}

describe.runIf(hasPython)("Pillow", () => {
  test("sees what the corpus's pictures show", async (context) => {
    const python = pythonWith(["pillow>=11.3"]);
    if (python === undefined) return context.skip("Pillow cannot be installed here");
    const drawn = new Map<string, PictureCase>();
    for (let index = 0; index < count; index += 1) {
      const each = await corpusCase(2, index);
      if (!each.seen || each.unlike.includes("Pillow")) continue;
      drawn.set(String(index), each);
      writeFileSync(join(folder, `${index}.picture`), each.bytes);
    }

    const lines = execFileSync(python, [script, folder], { maxBuffer: 2 ** 24 })
      .toString()
      .trim()
      .split("\n")
      .map((line): PillowLine => JSON.parse(line));

    expect(lines).toHaveLength(drawn.size);
    expect(drawn.size).toBeGreaterThan(count / 3);
    const faults = lines.flatMap((line) => {
      const each = drawn.get(line.name);
      return (each && faultOf(line, each)) ?? [];
    });
    expect(faults).toEqual([]);
  });
});
