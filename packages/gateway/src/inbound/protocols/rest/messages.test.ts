import fc from "fast-check";
import { expect, test } from "vitest";
import type { Exchange } from "../../server/exchange.ts";
import {
  float32ArrayJson,
  float32Json,
  labelsJson,
  picturesFromBody,
  valuesPerTurn,
} from "./messages.ts";

const limits = { maxBodyBytes: 1_000_000, maxPictures: 4 };

function read(body: string | Buffer, contentType: string | undefined) {
  const exchange: Exchange = {
    method: "POST",
    target: "/",
    path: "/v1/classify/shapes",
    query: new URLSearchParams(),
    header: (name) => (name === "content-type" ? contentType : undefined),
    body: async () => Buffer.from(body),
  };
  return picturesFromBody(exchange, limits);
}

const formType = "multipart/form-data; boundary=BB";
const file = 'content-disposition: form-data; name="image"; filename="x.jpg"';
const formOf = (...headers: readonly string[]) =>
  `${headers.map((each) => `--BB\r\n${each}\r\n\r\nabc\r\n`).join("")}--BB--`;

test.each([
  { type: undefined, body: "abc" },
  { type: "image/jpeg", body: "abc" },
  { type: "Binary/Octet-Stream", body: "abc" },
  { type: "application/x-www-form-urlencoded", body: "abc" },
  { type: "application/json", body: '{"image":{"b64":"YWJj"}}' },
  { type: "application/json", body: '{"images":[{"b64":"YW\\u004aj"}]}' },
  { type: formType, body: formOf(file) },
  { type: formType, body: formOf('content-disposition: form-data; name="a"', file) },
])("$type $body is one picture", async ({ type, body }) => {
  const pictures = await read(body, type);

  expect(pictures.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(["abc"]);
});

test.each([
  { headers: file, id: "x.jpg" },
  { headers: 'content-disposition: form-data; name="image"; filename=""', id: "image" },
  {
    headers: 'content-disposition: form-data; name="image"\r\ncontent-type: image/png',
    id: "image",
  },
  {
    headers: "content-disposition: form-data; name=image\r\ncontent-type: application/octet-stream",
    id: "image",
  },
  { headers: "content-type: IMAGE/AVIF", id: undefined },
])("a part with $headers is a picture", async ({ headers, id }) => {
  const pictures = await read(formOf(headers), formType);

  expect(pictures.map((picture) => picture.id)).toEqual([id]);
});

test.each([
  'content-disposition: form-data; name="image"',
  'content-disposition: form-data; name="image"\r\ncontent-type: text/plain; charset=utf-8',
  'content-disposition: form-data; name="image"\r\ncontent-type: application/json',
])("a part with %j is no picture", async (headers) => {
  await expect(read(formOf(headers), formType)).rejects.toThrow("the form has no file");
});

test.each([
  { name: "a form of five files", type: formType, body: formOf(...Array(5).fill(file)) },
  {
    name: "a form of a thousand fields",
    type: formType,
    body: formOf(...Array(1_000).fill("a: b")),
  },
  {
    name: "five pictures of which none is base64",
    type: "application/json",
    body: '{"images":[1,2,3,4,5]}',
  },
  { name: "a thousand keys", type: "application/json", body: `{${'"a":1,'.repeat(1_000)}"b":1}` },
])("$name is too large", async ({ type, body }) => {
  await expect(read(body, type)).rejects.toMatchObject({ reason: "too-large" });
});

test.each([
  "=",
  "==",
  "A",
  "AAAAA",
  "AAA A",
  "AAAA\n",
  "AA=A",
  "AAAA====",
  "AA-_",
  "AA!!",
  "\u0141AAA",
  "AAA\u00c1",
  `${"A".repeat(1_000)}\u{1f600}`,
  "data:image/png,AAAA",
  "data:image/png;base64,",
])("%j is no base64", async (b64) => {
  const body = JSON.stringify({ image: { b64 } });

  await expect(read(body, "application/json")).rejects.toThrow("image.b64 is not valid base64");
});

test.each(["AA", "AA==", "AAA", "AAA=", "AAAA", "+/+/", "AAAAAA=="])(
  "%j is base64",
  async (b64) => {
    const [picture] = await read(JSON.stringify({ image: { b64 } }), "application/json");

    expect(picture?.bytes).toEqual(Buffer.from(b64, "base64"));
  },
);

test.each([
  {
    body: { image: { b64: "AAAA" }, topK: 1 },
    field: "topK",
    hint: "set it in the query: ?topK=…",
  },
  {
    body: { images: [{ b64: "AAAA" }], top: 1 },
    field: "top",
    hint: "set it in the query: ?topK=…",
  },
  { body: { images: [{ b64: "AAAA" }], Image: {} }, field: "Image", hint: 'did you mean "image"?' },
  {
    body: { images: [{ b64: "AAAA", name: "a.jpg" }] },
    field: "images[0].name",
    hint: "members here: b64, id",
  },
  {
    body: { image: { b64: "AAAA" }, [`${"x".repeat(500)}`]: 1 },
    field: `${"x".repeat(60)}…`,
    hint: "members here: image, images",
  },
])("the member $field of a body is rejected, not ignored", async ({ body, field, hint }) => {
  await expect(read(JSON.stringify(body), "application/json")).rejects.toMatchObject({
    message: `unknown member "${field}"`,
    field,
    hint,
  });
});

test("a field of a form that belongs in the query is rejected, another one ignored", async () => {
  const field = (name: string) => `content-disposition: form-data; name="${name}"`;

  await expect(read(formOf(field("topK"), file), formType)).rejects.toMatchObject({
    message: 'field "topK" has no effect in a form',
    hint: "set it in the query: ?topK=…",
  });
  expect(await read(formOf(field("csrf"), file), formType)).toHaveLength(1);
});

test("a picture without a character is empty, not bad base64", async () => {
  const body = '{"images":[{"b64":""}]}';

  await expect(read(body, "application/json")).rejects.toThrow("images[0].b64 is empty");
});

test("base64 in a data URL is taken, as browsers make it", async () => {
  const b64 = "data:image/svg+xml;charset=utf-8;base64,AAAA";
  const [picture] = await read(JSON.stringify({ image: { b64 } }), "application/json");

  expect(picture?.bytes).toEqual(Buffer.from([0, 0, 0]));
});

test("reads back as the same float32", () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
      expect(Object.is(Math.fround(JSON.parse(float32Json(value))), value)).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

test.each([
  [Math.fround(0.1), "0.1"],
  [Math.fround(1 / 3), "0.33333334"],
  [1 / 3, "0.33333334"],
  [16_777_216, "16777216"],
  [Number.NaN, "null"],
])("%s is written as %s", (value, text) => {
  expect(float32Json(value)).toBe(text);
});

test.each([0, 1, valuesPerTurn, valuesPerTurn + 1, 5 * valuesPerTurn])(
  "an array of %i values lets others have their turn",
  async (length) => {
    let turnCount = 0;
    const values = Float32Array.from({ length }, (_, index) => index / 8);

    const text = await float32ArrayJson(values, async () => {
      turnCount += 1;
    });

    expect(JSON.parse(text)).toEqual([...values]);
    expect(turnCount).toBe(Math.max(0, Math.ceil(length / valuesPerTurn) - 1));
  },
);

test("labels of several models with the same indexes are each written as they are", () => {
  const rows = [
    { index: 1, label: "cat", score: 0.5 },
    { index: 1, label: 'a "dog"', score: 0.25 },
    { index: 20_000, label: "far", score: 0 },
  ];

  for (const row of [...rows, ...rows]) {
    expect(JSON.parse(`{${labelsJson([row])}}`)).toEqual({ labels: [row] });
  }
});
