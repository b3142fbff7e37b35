import { randomBytes } from "node:crypto";
import zlib from "node:zlib";
import { OverloadedError } from "@tensorgate/core";
import { expect, test } from "vitest";
import { createGunzip } from "./gunzip.ts";

const maxBytes = 4_194_304;

/** Unpacks, and says what was charged. */
async function unpack(packed: Uint8Array, charge: (byteCount: number) => void = () => {}) {
  let chargedBytes = 0;
  const bytes = await createGunzip()(packed, maxBytes, (byteCount) => {
    charge(chargedBytes + byteCount);
    chargedBytes += byteCount;
  });
  return { bytes, chargedBytes };
}

test.each([0, 1, 5_000, 65_536, 65_537, 1_000_000, maxBytes])(
  "%i bytes come out as they went in, and all the memory is charged",
  async (byteCount) => {
    const whole = randomBytes(byteCount);

    const { bytes, chargedBytes } = await unpack(zlib.gzipSync(whole));

    expect(whole.equals(bytes)).toBe(true);
    expect(chargedBytes).toBe(bytes.buffer.byteLength);
    expect(chargedBytes).toBeLessThanOrEqual(Math.max(4_096, 2 * byteCount));
  },
);

test("several members are one body, and padding after them is left out", async () => {
  const member = zlib.gzipSync("abc");

  const { bytes } = await unpack(Buffer.concat([member, member, Buffer.alloc(200_000)]));

  expect(Buffer.from(bytes).toString()).toBe("abcabc");
});

test("what unpacks to more than it may is unpacked no further", async () => {
  let chargedBytes = 0;
  const bomb = zlib.gzipSync(Buffer.alloc(16 * maxBytes));

  const tooLong = unpack(bomb, (byteCount) => {
    chargedBytes = byteCount;
  });

  await expect(tooLong).rejects.toMatchObject({ reason: "too-large" });

  expect(chargedBytes).toBeLessThanOrEqual(maxBytes);
});

test("what has no room is unpacked no further", async () => {
  const amounts: number[] = [];
  const full = unpack(zlib.gzipSync(Buffer.alloc(maxBytes)), (byteCount) => {
    amounts.push(byteCount);
    if (byteCount > 300_000) throw new OverloadedError("full");
  });

  await expect(full).rejects.toMatchObject({ reason: "overloaded" });

  expect(amounts).toEqual([131_072, 393_216]);
});

test.each([
  { name: "nothing", packed: Buffer.alloc(0) },
  { name: "text", packed: Buffer.alloc(100_000, "x") },
  { name: "a cut body", packed: zlib.gzipSync(randomBytes(200_000)).subarray(0, 150_000) },
  { name: "empty blocks without end", packed: emptyBlocks(1_000_000) },
])("$name is no gzip", async ({ packed }) => {
  await expect(unpack(packed)).rejects.toMatchObject({ reason: "invalid-request" });
});

test("more at the same time than there are slots are all unpacked, also after failures", async () => {
  const gunzip = createGunzip();
  const one = (index: number) => {
    const packed = index % 3 === 0 ? Buffer.from("no gzip") : zlib.gzipSync(String(index));
    return gunzip(packed, maxBytes, () => {}).then(String, () => "failed");
  };

  const all = await Promise.all(Array.from({ length: 100 }, (_, index) => one(index)));

  expect(all.filter((each) => each !== "failed")).toHaveLength(66);
});

/** A gzip body of stored blocks with nothing in them. */
function emptyBlocks(count: number): Buffer {
  const header = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
  return Buffer.concat([header, Buffer.alloc(5 * count, Buffer.from([0, 0, 0, 0xff, 0xff]))]);
}
