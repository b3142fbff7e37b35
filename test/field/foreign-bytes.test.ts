// Test runners, `vm` and frames have their own classes, and bytes of those were refused:
// jestjs/jest#9993, nodejs/node#20978, Stuk/jszip#598.
import { readFileSync } from "node:fs";
import { runInNewContext } from "node:vm";
import { createRouterTransport } from "@connectrpc/connect";
import { ScoringClient } from "@tensorgate/client";
import type { Tensor } from "@tensorgate/proto/tensorgate/v1/scoring";
import { ScoringService } from "@tensorgate/proto/tensorgate/v1/scoring";
import { ScoringClient as WebScoringClient } from "@tensorgate/web-client";
import { describe, expect, test } from "vitest";

const picture = "a picture";

/** The realm of a page or of a test runner: every class of the language is another one than here. */
function inOtherRealm<Value>(expression: string): Value {
  const bytes = [...Buffer.from(picture)];
  return runInNewContext(
    `const bytes = Uint8Array.from(${JSON.stringify(bytes)});
    const longer = Uint8Array.from([0, 0, ...bytes, 0]).buffer;
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
    shared.set(bytes);
    ${expression};`,
  );
}

/** Does the same in this realm. */
function inThisRealm<Value>(expression: string): Value {
  const bytes = Uint8Array.from(Buffer.from(picture));
  const longer = Uint8Array.from([0, 0, ...bytes, 0]).buffer;
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  return new Function("bytes", "longer", "shared", `return ${expression};`)(bytes, longer, shared);
}

/** What a Node client sends. */
function nodeClient() {
  const sent: { picture?: string; tensors?: Readonly<Record<string, Tensor>> } = {};
  const transport = createRouterTransport(({ service }) => {
    service(ScoringService, {
      classify: ({ pictures }) => {
        const { value = [] } = pictures[0]?.source ?? {};
        sent.picture = Buffer.from(value as Uint8Array).toString();
        return { results: [{ outcome: { case: "labels", value: { labels: [] } } }] };
      },
      predict: ({ inputs }) => {
        sent.tensors = inputs;
        return {};
      },
    });
  });
  return { client: new ScoringClient({ transport }), sent };
}

/** What a web client sends. */
function webClient() {
  const sent: { picture?: string; tensors?: Readonly<Record<string, object>> } = {};
  const client = new WebScoringClient({
    baseUrl: "http://gateway.test",
    fetch: async (...request) => {
      const { url, ...body } = { url: String(request[0]), body: new Response(request[1]?.body) };
      if (url.includes("/classify/")) {
        sent.picture = await body.body.text();
        return Response.json({ results: [{ labels: [] }] });
      }
      sent.tensors = ((await body.body.json()) as { inputs: Record<string, object> }).inputs;
      return Response.json({ outputs: {} });
    },
  });
  return { client, sent };
}

describe.each([
  { realm: "another realm", evaluate: inOtherRealm },
  { realm: "this realm", evaluate: inThisRealm },
])("bytes of $realm", ({ evaluate }) => {
  describe.each([
    "bytes",
    "bytes.buffer",
    "new Uint8ClampedArray(bytes)",
    "new DataView(longer, 2, bytes.length)",
    "new Uint8Array(longer, 2, bytes.length)",
    "shared",
    "shared.buffer",
  ])("as %s", (expression) => {
    test("are sent by the Node client", async () => {
      const { client, sent } = nodeClient();
      await client.classify("m", evaluate(expression));
      expect(sent.picture).toBe(picture);
    });

    test("are sent by the web client", async () => {
      const { client, sent } = webClient();
      await client.classify("m", evaluate(expression));
      expect(sent.picture).toBe(picture);
    });
  });

  test("are read from a stream", async () => {
    const { client, sent } = nodeClient();
    const stream = evaluate<AsyncIterable<Uint8Array>>(
      "(async function* () { yield bytes.subarray(0, 4); yield bytes.subarray(4); })()",
    );
    await client.classify("m", stream);
    expect(sent.picture).toBe(picture);
  });

  test.each([
    { expression: "Float32Array.of(1, 2)", dtype: "FP32", byteCount: 8 },
    { expression: "BigInt64Array.of(1n, 2n)", dtype: "INT64", byteCount: 16 },
    { expression: "Uint8ClampedArray.of(1, 2)", dtype: "UINT8", byteCount: 2 },
    { expression: "Uint8Array.of(0, 60, 0, 64)", dtype: "FP16", byteCount: 4 },
    { expression: "new DataView(longer, 2, 8)", dtype: "FP32", byteCount: 8 },
  ])("are the values of a tensor, as $expression", async ({ expression, dtype, byteCount }) => {
    const x = { data: evaluate<Float32Array>(expression), shape: [2], dtype };
    // Where the class says the type, it need not be given.
    const { data, shape } = x;
    const input = /^(Float|Big|Uint8Clamped)/.test(expression) ? { data, shape } : x;
    const node = nodeClient();
    await node.client.predict("m", { x: input });
    const web = webClient();
    await web.client.predict("m", { x: input });

    expect(node.sent.tensors?.["x"]).toMatchObject({ dtype, values: { case: "data" } });
    expect(node.sent.tensors?.["x"]?.values.value).toHaveLength(byteCount);
    expect(web.sent.tensors?.["x"]).toMatchObject({ dtype });
  });

  test("are the pictures in a tensor", async () => {
    const images = { data: [evaluate<Uint8Array>("bytes")], shape: [1] };
    const { client, sent } = nodeClient();
    await client.predict("m", { images });
    const web = webClient();
    await web.client.predict("m", { images });

    const elements = [Uint8Array.from(Buffer.from(picture))];
    expect(sent.tensors?.["images"]?.values).toMatchObject({ value: { elements } });
    expect(web.sent.tensors?.["images"]).toMatchObject({ elements: { elements: [btoa(picture)] } });
  });
});

test("a file: URL of another class of the name is read", async () => {
  const { client, sent } = nodeClient();
  const url = new URL("../../examples/pictures/star.jpg", import.meta.url);
  const { href, protocol } = url;
  await client.classify("m", { href, protocol } as URL);
  expect(sent.picture === readFileSync(url, "utf8")).toBe(true);
});

test("a blob of another class of the name is sent", async () => {
  class Blob {
    readonly [Symbol.toStringTag] = "File";
    readonly size = picture.length;
    async arrayBuffer() {
      return inOtherRealm<ArrayBuffer>("bytes.buffer");
    }
  }
  const { client, sent } = nodeClient();
  await client.classify("m", new Blob() as unknown as globalThis.Blob);
  expect(sent.picture).toBe(picture);
});

const base64 = Buffer.alloc(300_000, 1).toString("base64");

describe.each([
  { what: "base64 in the place of a path", input: base64, hint: "base64" },
  { what: "a short text of base64", input: base64.slice(0, 3_000), hint: "base64" },
  { what: "a data: URL", input: `data:image/jpeg;base64,${base64}`, hint: "bytes" },
  { what: "a data: URL object", input: new URL(`data:image/jpeg;base64,${base64}`), hint: "bytes" },
  { what: "a URL", input: `https://example.com/${base64}`, hint: "bytes" },
  { what: "a path of many folders", input: "/nowhere".repeat(500), hint: undefined },
])("$what", ({ input, hint }) => {
  test("is refused with a short message", async () => {
    const { client } = nodeClient();
    const error = await client.classify("m", input).catch((thrown) => thrown);

    expect(error).toMatchObject({ reason: "invalid-request", attempts: 0 });
    expect(error.message.length).toBeLessThan(500);
    if (hint !== undefined) expect(error.hint).toContain(hint);
  });

  test("is refused by the web client with a short message", async () => {
    const { client } = webClient();
    const failed = client.classify("m", input as unknown as Uint8Array);
    const error = await failed.catch((thrown) => thrown);

    expect(error).toMatchObject({ reason: "invalid-request" });
    expect(error.message.length).toBeLessThan(500);
  });
});

test.each([nodeClient, webClient])("long names are cut in messages: %o", async (open) => {
  const { client } = open();
  const failures = [
    client.predict(base64, { [base64]: { data: [1], shape: [2] } }),
    client.predict("m", { x: { data: [1], shape: [1], dtype: base64 } }),
    client.predict("m", {}, { headers: { [base64]: "\n" } }),
    client.predict("m", {}, { version: base64, versionLabel: base64 }),
  ];
  for (const failure of failures) {
    const error = await failure.catch((thrown) => thrown);
    expect(error.reason).toBe("invalid-request");
    expect(error.message.length).toBeLessThan(500);
  }
  expect(() => new ScoringClient({ baseUrl: base64 })).toThrow(/^.{1,500}$/);
  expect(() => new WebScoringClient({ baseUrl: base64 })).toThrow(/^.{1,500}$/);
});
