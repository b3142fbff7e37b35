import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { temporaryFolder } from "../testing.ts";
import {
  type BlockTarget,
  type BlockUpload,
  blockBytesFor,
  uploadBlocks,
} from "./upload-blocks.ts";

const blockBytes = blockBytesFor(0);

/** A file of so many blocks, and one byte; every block has its own content. */
function fileOf(blockCount: number, text = "") {
  const temporary = temporaryFolder();
  onTestFinished(() => temporary[Symbol.dispose]());
  const bytes = Buffer.alloc(blockCount * blockBytes + 1);
  for (let index = 0; index <= blockCount; index += 1) {
    bytes.write(`${text}${index}`.slice(-1), index * blockBytes);
  }
  const file = join(temporary.path, "model.onnx");
  writeFileSync(file, bytes);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { bytes, upload: { file, sha256, byteCount: bytes.length } satisfies BlockUpload };
}

/** A store of blocks that fails after so many. */
function storage(failsAfter = Number.POSITIVE_INFINITY) {
  const blocks = new Map<string, Uint8Array>();
  let committed: Uint8Array | undefined;
  let stagedCount = 0;
  let limit = failsAfter;
  const target: BlockTarget = {
    staged: async () => new Map([...blocks].map(([id, { length }]) => [id, length])),
    stage: async (id, bytes, md5) => {
      if (stagedCount >= limit) throw new Error("broken off");
      stagedCount += 1;
      expect(createHash("md5").update(bytes).digest()).toEqual(md5);
      blocks.set(id, Uint8Array.from(bytes));
    },
    commit: async (ids) => {
      committed = Buffer.concat(ids.map((id) => blocks.get(id) ?? expect.fail(`no block ${id}`)));
      blocks.clear();
    },
  };
  return {
    target,
    blocks,
    stagedCount: () => stagedCount,
    committed: () => committed,
    repair: () => {
      limit = Number.POSITIVE_INFINITY;
      stagedCount = 0;
    },
  };
}

test("a file is uploaded in verified blocks, and its progress is reported", async () => {
  const { bytes, upload } = fileOf(2);
  const { target, committed, stagedCount } = storage();
  let told = 0;
  const onBytes = (count: number) => {
    told += count;
  };

  expect(await uploadBlocks(target, { ...upload, onBytes })).toBe(0);

  expect(committed()?.length).toBe(bytes.length);
  expect(bytes.equals(committed() ?? new Uint8Array())).toBe(true);
  expect([stagedCount(), told]).toEqual([3, bytes.length]);
});

test("an upload that broke off is continued with the blocks that are missing", async () => {
  const { bytes, upload } = fileOf(2);
  const store = storage(2);
  await expect(uploadBlocks(store.target, upload)).rejects.toThrow("broken off");
  expect(store.committed()).toBeUndefined();
  store.repair();

  expect(await uploadBlocks(store.target, upload)).toBe(2 * blockBytes);

  expect(store.stagedCount()).toBe(1);
  expect(bytes.equals(store.committed() ?? new Uint8Array())).toBe(true);
});

test("blocks of another file are not taken for those of this one", async () => {
  const store = storage(1);
  await uploadBlocks(store.target, fileOf(1, "9").upload).catch(() => {});
  store.repair();
  const { bytes, upload } = fileOf(1);
  for (const [id, block] of store.blocks) store.blocks.set(id, block.subarray(1));

  expect(await uploadBlocks(store.target, upload)).toBe(0);

  expect(bytes.equals(store.committed() ?? new Uint8Array())).toBe(true);
});

test("a file that is not what its digest says is not committed", async () => {
  const { upload } = fileOf(0);
  const { target, committed } = storage();

  await expect(uploadBlocks(target, { ...upload, sha256: "0".repeat(64) })).rejects.toMatchObject({
    reason: "file",
    message: expect.stringContaining("not 0000"),
  });
  expect(committed()).toBeUndefined();
});

test("an upload ends with its signal", async () => {
  const { upload } = fileOf(1);
  const { target, stagedCount } = storage();
  const signal = AbortSignal.abort(new Error("interrupted"));

  await expect(uploadBlocks(target, { ...upload, signal })).rejects.toThrow("interrupted");
  expect(stagedCount()).toBe(0);
});

test.each([
  { byteCount: 0, mb: 8 },
  { byteCount: 1_000_000_000, mb: 8 },
  { byteCount: 1_000_000_000_000, mb: 20 },
])("a file of $byteCount bytes has blocks of $mb MiB, at most 50,000", ({ byteCount, mb }) => {
  const size = blockBytesFor(byteCount);

  expect(size).toBe(mb << 20);
  expect(Math.ceil(byteCount / size)).toBeLessThanOrEqual(50_000);
});
