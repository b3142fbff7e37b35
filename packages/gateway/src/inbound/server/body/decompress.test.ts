import { randomBytes } from "node:crypto";
import zlib from "node:zlib";
import { OverloadedError } from "@tensorgate/core";
import { expect, test } from "vitest";
import { type Coding, createDecompress } from "./decompress.ts";

const maxBytes = 4_194_304;

/** Unpacks, and says what was charged. */
async function unpack(
  packed: Uint8Array,
  {
    coding = "gzip",
    onCharge = () => {},
  }: { readonly coding?: Coding; readonly onCharge?: (byteCount: number) => void } = {},
) {
  let chargedBytes = 0;
  const charge = (byteCount: number) => {
    onCharge(chargedBytes + byteCount);
    chargedBytes += byteCount;
  };
  const bytes = await createDecompress()(packed, {
    coding,
    maxBytes,
    account: { reserve: charge },
  });
  return { bytes, chargedBytes };
}

/** Everything that a body may be compressed by. */
const packers = [
  { name: "gzip", coding: "gzip", pack: (bytes: zlib.InputType) => zlib.gzipSync(bytes) },
  { name: "deflate", coding: "deflate", pack: (bytes: zlib.InputType) => zlib.deflateSync(bytes) },
  {
    name: "deflate without its header",
    coding: "deflate",
    pack: (bytes: zlib.InputType) => zlib.deflateRawSync(bytes),
  },
] as const;

test.each(
  packers.flatMap((packer) =>
    [0, 1, 5_000, 65_536, 65_537, 1_000_000, maxBytes].map((byteCount) => ({
      ...packer,
      byteCount,
    })),
  ),
)(
  "$name: $byteCount bytes come out as they went in, and all the memory is charged",
  async ({ byteCount, coding, pack }) => {
    const whole = randomBytes(byteCount);

    const { bytes, chargedBytes } = await unpack(pack(whole), { coding });

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

test.each(packers)("$name: padding after the end is left out", async ({ coding, pack }) => {
  const { bytes } = await unpack(Buffer.concat([pack("abc"), Buffer.alloc(200_000)]), { coding });

  expect(Buffer.from(bytes).toString()).toBe("abc");
});

test.each(packers)("$name: what unpacks to more than it may goes no further", async (packer) => {
  let chargedBytes = 0;
  const bomb = packer.pack(Buffer.alloc(16 * maxBytes));

  const tooLong = unpack(bomb, {
    coding: packer.coding,
    onCharge: (byteCount) => {
      chargedBytes = byteCount;
    },
  });

  await expect(tooLong).rejects.toMatchObject({ reason: "too-large" });

  expect(chargedBytes).toBeLessThanOrEqual(maxBytes);
});

test("what has no room is unpacked no further", async () => {
  const amounts: number[] = [];
  const onCharge = (byteCount: number) => {
    amounts.push(byteCount);
    if (byteCount > 300_000) throw new OverloadedError("full");
  };
  const full = unpack(zlib.gzipSync(Buffer.alloc(maxBytes)), { onCharge });

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

test.each([
  { name: "nothing", packed: Buffer.alloc(0) },
  { name: "text", packed: Buffer.alloc(100_000, "x") },
  { name: "a cut body", packed: zlib.deflateSync(randomBytes(200_000)).subarray(0, 150_000) },
  { name: "gzip", packed: zlib.gzipSync("abc") },
])("$name is no deflate", async ({ packed }) => {
  await expect(unpack(packed, { coding: "deflate" })).rejects.toMatchObject({
    reason: "invalid-request",
    message: "the body is not valid deflate, or is truncated",
  });
});

test("more at the same time than there are slots are all unpacked, also after failures", async () => {
  const decompress = createDecompress();
  const one = (index: number) => {
    const packed = index % 3 === 0 ? Buffer.from("no gzip") : zlib.gzipSync(String(index));
    return decompress(packed, { coding: "gzip", maxBytes, account: { reserve: () => {} } }).then(
      String,
      () => "failed",
    );
  };

  const all = await Promise.all(Array.from({ length: 100 }, (_, index) => one(index)));

  expect(all.filter((each) => each !== "failed")).toHaveLength(66);
});

/** A gzip body of stored blocks with nothing in them. */
function emptyBlocks(count: number): Buffer {
  const header = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
  return Buffer.concat([header, Buffer.alloc(5 * count, Buffer.from([0, 0, 0, 0xff, 0xff]))]);
}
