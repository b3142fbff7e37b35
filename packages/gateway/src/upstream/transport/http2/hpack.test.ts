import fc from "fast-check";
import { expect, test } from "vitest";
import { maxHeaderBytes } from "./contract.ts";
import { HpackDecoder, HpackError } from "./hpack.ts";
import { RequestFields } from "./request-fields.ts";

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ""), "hex");
/** A literal field without an index. */
const literal = (name: string, value: string) =>
  Buffer.concat([
    Buffer.of(0, name.length),
    Buffer.from(name),
    Buffer.of(value.length),
    Buffer.from(value),
  ]);
const ok = Buffer.of(0x88);

/** A field `a` that is put into the table. */
function added(value: string): Buffer {
  const rest = value.length - 127;
  const length = rest < 0 ? [value.length] : [127, (rest & 127) | 128, rest >> 7];
  return Buffer.concat([hex("40 01 61"), Buffer.of(...length), Buffer.from(value)]);
}

test("the three responses of RFC 7541, appendix C.6: Huffman code, a table of 256 bytes, eviction", () => {
  const decoder = new HpackDecoder();
  const first = decoder.decode(
    hex(`3fe101 
      4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6
      2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3`),
  );
  const second = decoder.decode(hex("4883 640e ffc1 c0bf"));
  const third = decoder.decode(
    hex(`88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab
      77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f
      9587 3160 65c0 03ed 4ee5 b106 3d50 07`),
  );

  const fields = {
    "cache-control": "private",
    date: "Mon, 21 Oct 2013 20:13:21 GMT",
    location: "https://www.example.com",
  };
  expect(first).toMatchObject({ status: 302, fault: undefined, byteCount: 222 });
  expect({ ...first.headers }).toEqual({ ":status": "302", ...fields });
  expect({ ...second.headers }).toEqual({ ":status": "307", ...fields });
  expect({ ...third.headers }).toEqual({
    ":status": "200",
    ...fields,
    date: "Mon, 21 Oct 2013 20:13:22 GMT",
    "content-encoding": "gzip",
    "set-cookie": ["foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"],
  });
});

test("a block that came before is decoded once, until what it refers to has changed", () => {
  const decoder = new HpackDecoder();
  const newest = hex("88 be");

  expect(decoder.decode(added("1")).headers["a"]).toBe("1");
  const first = decoder.decode(newest);
  expect(first.headers["a"]).toBe("1");
  expect(decoder.decode(newest)).toBe(first);

  // The same bytes add a field each time.
  for (const value of ["2", "3", "3"]) decoder.decode(added(value));
  expect(decoder.decode(newest).headers["a"]).toBe("3");
  expect(decoder.decode(hex("88 c0")).headers["a"]).toBe("2");

  // A change of the size that comes again, and one that evicts.
  for (const status of ["200", "200"]) {
    expect(decoder.decode(hex("20 88")).headers[":status"]).toBe(status);
  }
  expect(() => decoder.decode(newest)).toThrow(HpackError);
});

test.each([1, 64, 126, 127, 130, 1_000, 4_000])(
  "a field of %i bytes takes the place of the newest",
  (byteCount) => {
    const decoder = new HpackDecoder();
    const value = "x".repeat(byteCount);

    decoder.decode(added("1"));
    for (const _ of [1, 2]) expect(decoder.decode(hex("88 be")).headers["a"]).toBe("1");
    decoder.decode(added(value));

    expect(decoder.decode(hex("88 be")).headers["a"]).toBe(value);
  },
);

test("a short block is not kept if what it refers to is long", () => {
  const decoder = new HpackDecoder();
  decoder.decode(added("x".repeat(1_000)));

  const first = decoder.decode(hex("88 be"));

  expect(first.headers["a"]).toHaveLength(1_000);
  expect(decoder.decode(hex("88 be"))).not.toBe(first);
});

/** A status or a change of the table's size, then fields that refer to the table, add to it or leave it alone. */
const anyBlock = fc
  .tuple(
    fc.oneof(
      { weight: 20, arbitrary: fc.constantFrom("", "88") },
      { weight: 1, arbitrary: fc.constantFrom("20", "3f 81 0f", "3f e1 1f") },
    ),
    fc.array(
      fc.oneof(
        { weight: 6, arbitrary: fc.constantFrom("be", "bf", "c0").map(hex) },
        { weight: 1, arbitrary: fc.integer({ min: 1, max: 300 }).map((n) => added("x".repeat(n))) },
        { weight: 1, arbitrary: fc.constantFrom("0", "13").map(added) },
        { weight: 1, arbitrary: fc.constantFrom("1", "2").map((value) => literal("b", value)) },
      ),
      { maxLength: 4 },
    ),
  )
  .map(([first, fields]) => Buffer.concat([hex(first), ...fields]));

test("a block means the same, whether others like it came before or not", () => {
  // Too long to be kept.
  const pad = "p".repeat(126);
  fc.assert(
    fc.property(fc.array(anyBlock, { maxLength: 30 }), (blocks) => {
      const keeping = new HpackDecoder();
      const reading = new HpackDecoder();
      for (const decoder of [keeping, reading]) {
        for (const value of ["1", "2", "3"]) decoder.decode(added(value));
      }
      for (const block of blocks) {
        let expected: ReturnType<HpackDecoder["decode"]>;
        try {
          expected = reading.decode(Buffer.concat([block, literal("pad", pad)]));
        } catch {
          expect(() => keeping.decode(block)).toThrow(HpackError);
          return;
        }
        const { headers, fault, status } = keeping.decode(block);
        expect({ fault, status }).toEqual({ fault: expected.fault, status: expected.status });
        if (fault === undefined) expect({ ...headers, pad }).toEqual({ ...expected.headers });
      }
    }),
    { numRuns: 2_000 },
  );
});

test("blocks that all differ are not kept", () => {
  const decoder = new HpackDecoder();
  const first = decoder.decode(Buffer.concat([ok, literal("a", "0")]));

  for (let at = 1; at <= 8; at += 1) decoder.decode(Buffer.concat([ok, literal("a", String(at))]));

  expect(decoder.decode(Buffer.concat([ok, literal("a", "0")]))).not.toBe(first);
});

test("what comes twice is joined, and a value keeps its blanks", () => {
  const block = Buffer.concat([
    ok,
    literal("a", "1 "),
    literal("a", " 2"),
    literal("constructor", "x"),
  ]);
  const { headers } = new HpackDecoder().decode(block);

  expect(headers["a"]).toBe("1 ,  2");
  expect(headers["constructor"]).toBe("x");
});

test.each([
  ["index 0", "80"],
  ["an index behind the table", "be"],
  ["a name behind the table", "7e 0161"],
  ["a number without end", "ff ffffffffffff01"],
  ["a number that is cut", "ff"],
  ["a text that is cut", "00 05 6161"],
  ["a text that is longer than any block", "00 7fffffff07"],
  ["the end symbol", "00 0161 84 ffffffff"],
  ["padding of zeros", "00 0161 81 18"],
  ["padding of a byte", "00 0161 82 1fff"],
  ["a table of more than 4,096 bytes", "3fe21f"],
  ["another size of the table after a field", "88 20"],
])("a block with %s cannot be decoded", (_what, text) => {
  expect(() => new HpackDecoder().decode(hex(text))).toThrow(HpackError);
});

test.each([
  ["an upper-case name", literal("A", "1")],
  ["an empty name", literal("", "1")],
  ["a line break", literal("a", "1\n")],
  ["an unknown pseudo-header", literal(":path", "/")],
  ["a header of HTTP/1.1", literal("connection", "close")],
  ["a second status", ok],
  ["a status after a header", Buffer.concat([literal("a", "1"), ok])],
])("a block with %s is malformed, and the next one is decoded", (_what, field) => {
  const decoder = new HpackDecoder();
  const isLate = field.length > 1 && field.at(-1) === 0x88;
  // It is remembered although the block is malformed.
  const remembered = Buffer.concat([
    Buffer.of(0x40, 1),
    Buffer.from("b"),
    Buffer.of(1),
    Buffer.from("7"),
  ]);

  const { fault } = decoder.decode(
    Buffer.concat([isLate ? field : ok, isLate ? remembered : field, remembered]),
  );

  expect(fault).toBeTypeOf("string");
  expect(decoder.decode(Buffer.of(0x88, 0xbe)).headers["b"]).toBe("7");
});

test.each([
  [
    "a value of 20,000 bytes",
    Buffer.concat([Buffer.of(0, 1, 97, 0x7f, 0xa1, 0x9b, 1), Buffer.alloc(20_000, "x")]),
  ],
  ["129 fields", Buffer.concat(Array<Buffer>(129).fill(literal("a", "1")))],
])("%s are over the limit", (_what, fields) => {
  const { byteCount, headers } = new HpackDecoder().decode(Buffer.concat([ok, fields]));

  expect(byteCount).toBeGreaterThan(maxHeaderBytes);
  expect(Object.keys(headers).length).toBeLessThanOrEqual(2);
});

const options = {
  scheme: "http",
  authority: "replica:9000",
  tls: {},
  windowBytes: 65_535,
  headers: { authorization: "Bearer k", te: "trailers" },
} as const;

test("requests begin with what their path has in common; secrets go into no table", () => {
  const block = new RequestFields(options).encode("/Predict", { a: "é", te: "other" });

  expect(Buffer.from(block, "latin1")).toEqual(
    Buffer.concat([
      literal(":method", "POST"),
      literal(":scheme", "http"),
      literal(":authority", "replica:9000"),
      literal(":path", "/Predict"),
      Buffer.of(0x10),
      literal("authorization", "Bearer k").subarray(1),
      literal("te", "trailers"),
      Buffer.of(0, 1, 97, 1, 0xe9),
    ]),
  );
});

test.each([
  ["a line break", { a: "1\r\nb: 2" }],
  ["a character outside Latin-1", { a: "–" }],
  ["more than a frame holds", { a: "x".repeat(16_384) }],
])("%s cannot be sent", (_what, headers) => {
  expect(() => new RequestFields(options).encode("/", headers as Record<string, string>)).toThrow(
    TypeError,
  );
});
