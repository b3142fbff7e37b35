import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import {
  http2Implementations,
  openCalling,
  openScripted,
} from "../../../../../../test/support/http2-calls.ts";
import {
  block,
  continuation,
  data,
  endHeaders,
  endStream,
  frame,
  grpcOk,
  headers,
  indexed,
  literal,
  padded,
  reset,
  status200,
  tableSize,
  withPriority,
} from "../../../../../../test/support/http2-frames.ts";

// What a connection reports of replies, and what it sends: the same for every implementation.

const replyHeaders = Buffer.concat([
  status200,
  block({ "content-type": "application/grpc", "x-a": "1" }),
]);
const body = Buffer.from("a reply of some bytes");
const end = endHeaders | endStream;

const wholeReport = {
  interimCount: 0,
  headers: { ":status": "200", "content-type": "application/grpc", "x-a": "1" },
  headerBytes: 7 + 3 + 32 + (12 + 16 + 32) + (3 + 1 + 32),
  isEnd: false,
  bodyBytes: body.length,
  body,
  trailers: { "grpc-status": "0" },
  trailerBytes: 11 + 1 + 32,
};
const withoutBody = { bodyBytes: 0, body: Buffer.alloc(0) };

/** `bytes` behind their length of padding, and before the padding. */
function pad(bytes: Buffer, byteCount: number, priority = Buffer.alloc(0)): Buffer {
  return Buffer.concat([Buffer.of(byteCount), priority, bytes, Buffer.alloc(byteCount)]);
}
const priority = Buffer.of(0x80, 0, 0, 0, 15);
const half = replyHeaders.length >> 1;

describe.each(http2Implementations)("$name", ({ name: implementation, open }) => {
  describe.each<{ form: string; first?: readonly Buffer[]; rest?: readonly Buffer[] }>([
    { form: "in one DATA" },
    {
      form: "in a DATA for each byte",
      rest: [...[...body].map((byte) => data(1, Buffer.of(byte))), headers(1, grpcOk, end)],
    },
    {
      form: "with empty DATA between",
      rest: [
        data(1, Buffer.alloc(0)),
        data(1, body),
        data(1, Buffer.alloc(0)),
        headers(1, grpcOk, end),
      ],
    },
    {
      form: "with padded frames",
      first: [headers(1, pad(replyHeaders, 200), endHeaders | padded)],
      rest: [
        data(1, pad(body.subarray(0, 4), 0), padded),
        data(1, pad(body.subarray(4), 255), padded),
        data(1, pad(Buffer.alloc(0), 255), padded),
        headers(1, pad(grpcOk, 1), end | padded),
      ],
    },
    {
      form: "with the PRIORITY flag",
      first: [headers(1, Buffer.concat([priority, replyHeaders]), endHeaders | withPriority)],
      rest: [data(1, body), headers(1, pad(grpcOk, 3, priority), end | withPriority | padded)],
    },
    {
      form: "with PRIORITY frames",
      rest: [
        frame("PRIORITY", 1, { payload: priority }),
        data(1, body),
        frame("PRIORITY", 5, { payload: priority }),
        headers(1, grpcOk, end),
      ],
    },
    {
      form: "with blocks in CONTINUATIONs",
      first: [
        headers(1, replyHeaders.subarray(0, half), 0),
        continuation(1, Buffer.alloc(0), 0),
        continuation(1, replyHeaders.subarray(half, half + 1), 0),
        continuation(1, replyHeaders.subarray(half + 1, half + 2), 0),
        continuation(1, replyHeaders.subarray(half + 2), 0),
        continuation(1, Buffer.alloc(0)),
      ],
      rest: [
        data(1, body),
        headers(1, grpcOk.subarray(0, 3), endStream),
        continuation(1, grpcOk.subarray(3)),
      ],
    },
    {
      form: "with frames of unknown types and flags",
      first: [frame(0xbe, 1, { payload: body }), headers(1, replyHeaders, endHeaders | 0xd2)],
      rest: [
        frame(0xee, 0, { flags: 0xff }),
        data(1, body, 0xf6),
        frame("ALTSVC", 0, { payload: Buffer.of(0, 1, 97, 97) }),
        headers(1, grpcOk, end),
      ],
    },
    {
      form: "with RST_STREAM(NO_ERROR) at its end",
      rest: [data(1, body), headers(1, grpcOk, end), reset(1, 0)],
    },
  ])("a reply $form", ({ first = [headers(1, replyHeaders)], rest }) => {
    const frames = [...first, ...(rest ?? [data(1, body), headers(1, grpcOk, end)])];

    test("is reported, and the next one too", async () => {
      await using connection = await openScripted(open);
      const { peer } = connection;
      const call = connection.call();
      await peer.requestBody(1);
      peer.send(...frames);

      expect(await call.ended).toBeUndefined();
      expect(call.report).toEqual(wholeReport);

      const next = connection.call();
      await peer.requestBody(3);
      peer.send(headers(3, replyHeaders, end));
      expect(await next.ended).toBeUndefined();
    });

    test("is the same if each byte comes for itself", async () => {
      await using connection = await openScripted(open);
      const { peer } = connection;
      const call = connection.call();
      await peer.requestBody(1);
      for (const byte of Buffer.concat(frames)) {
        peer.write(Buffer.of(byte));
        await new Promise((resolve) => setImmediate(resolve));
      }

      expect(await call.ended).toBeUndefined();
      expect(call.report).toEqual(wholeReport);
    });
  });

  /** The report of a reply that is these frames. */
  async function reportOf(...frames: readonly Buffer[]) {
    await using connection = await openScripted(open);
    const call = connection.call();
    await connection.peer.requestBody(1);
    connection.peer.send(...frames);
    return { error: await call.ended, ...call.report };
  }

  test("a reply of headers alone", async () => {
    const fields = block({ "grpc-status": "5", "grpc-message": "no such model" });
    expect(await reportOf(headers(1, Buffer.concat([status200, fields]), end))).toEqual({
      error: undefined,
      interimCount: 0,
      headers: { ":status": "200", "grpc-status": "5", "grpc-message": "no such model" },
      headerBytes: 42 + (11 + 1 + 32) + (12 + 13 + 32),
      isEnd: true,
      ...withoutBody,
    });
  });

  test("a reply without trailers", async () => {
    const report = await reportOf(headers(1, replyHeaders), data(1, body, endStream));

    const { trailers: _, trailerBytes: __, ...untilBody } = wholeReport;
    expect(report).toEqual({ ...untilBody, error: undefined });
  });

  test("a reply without a body", async () => {
    expect(
      await reportOf(headers(1, replyHeaders), data(1, Buffer.alloc(0), endStream)),
    ).toMatchObject({
      error: undefined,
      isEnd: false,
      ...withoutBody,
    });
  });

  test("trailers without a body", async () => {
    expect(await reportOf(headers(1, replyHeaders), headers(1, grpcOk, end))).toEqual({
      ...wholeReport,
      ...withoutBody,
      error: undefined,
    });
  });

  test("interim responses", async () => {
    const interim = (status: string) => headers(1, literal(8, status));
    const early = literal("link", "</a>; rel=preload", "indexed");
    expect(
      await reportOf(
        interim("100"),
        headers(1, Buffer.concat([literal(8, "103"), early])),
        interim("199"),
        headers(1, replyHeaders),
        data(1, body),
        headers(1, grpcOk, end),
      ),
    ).toEqual({ ...wholeReport, interimCount: 3, error: undefined });
  });

  test.each([
    { status: "204", fields: indexed(9) },
    { status: "404", fields: indexed(13) },
    { status: "500", fields: indexed(14) },
    { status: "302", fields: literal(8, { huffman: "6402" }) },
    { status: "503", fields: literal(":status", "503", "neverIndexed") },
  ])("status $status", async ({ status, fields }) => {
    expect(await reportOf(headers(1, fields, end))).toMatchObject({
      error: undefined,
      headers: { ":status": status },
      headerBytes: 42,
    });
  });

  // The strings are those of RFC 7541, appendix C.
  test("strings in Huffman's code", async () => {
    const fields = Buffer.concat([
      status200,
      literal(24, { huffman: "aec3771a4b" }, "indexed"),
      literal(33, { huffman: "d07abe941054d444a8200595040b8166e082a62d1bff" }),
      literal({ huffman: "25a849e95ba97d7f" }, { huffman: "25a849e95bb8e8b4bf" }, "neverIndexed"),
      literal("x-empty", { huffman: "" }),
    ]);
    expect(await reportOf(headers(1, fields, end))).toMatchObject({
      error: undefined,
      headers: {
        ":status": "200",
        "cache-control": "private",
        date: "Mon, 21 Oct 2013 20:13:21 GMT",
        "custom-key": "custom-value",
        "x-empty": "",
      },
    });
  });

  test("headers that come twice", async () => {
    const fields = [
      ...["content-type: a/b", "content-type: c/d", "x-a: 1", "x-b: 2", "x-a: 3", "x-a: "],
      ...["set-cookie: a=1", "set-cookie: b=2", "grpc-status: 0", "grpc-status: 1"],
    ].map((line) => literal(...(line.split(": ") as [string, string])));
    expect(await reportOf(headers(1, Buffer.concat([status200, ...fields]), end))).toMatchObject({
      error: undefined,
      headers: {
        // Node drops the second one.
        "content-type": implementation === "node" ? "a/b" : "a/b, c/d",
        "x-a": "1, 3, ",
        "x-b": "2",
        "set-cookie": ["a=1", "b=2"],
        "grpc-status": "0, 1",
      },
    });
  });

  test("values with bytes above ASCII, and names that objects have", async () => {
    const fields = [
      literal("x-latin", "\u00e9\u00ff"),
      literal("__proto__", "p"),
      literal("constructor", "c"),
      literal("x-blank", "a \t b"),
    ];
    const { headers: received, error } = await reportOf(
      headers(1, Buffer.concat([status200, ...fields]), end),
    );

    expect(error).toBeUndefined();
    expect(Object.entries(received ?? {})).toEqual(
      expect.arrayContaining([
        ["x-latin", "\u00e9\u00ff"],
        ["constructor", "c"],
        ["x-blank", "a \t b"],
      ]),
    );
    expect(({} as Record<string, unknown>)["p"]).toBeUndefined();
  });

  test("a blank at the end of a status message stays", async () => {
    expect(
      await reportOf(headers(1, Buffer.concat([status200, literal("grpc-message", "a: ")]), end)),
    ).toMatchObject({ headers: { "grpc-message": "a: " } });
  });

  test("the table of a connection is kept from reply to reply, shrunk and emptied", async () => {
    await using connection = await openScripted(open);
    const { peer } = connection;
    const replies: readonly (readonly [fields: Buffer[], expected: object])[] = [
      [[status200, literal("x-a", "1", "indexed")], { "x-a": "1" }],
      [[status200, literal("x-b", "2", "indexed"), indexed(63)], { "x-a": "1", "x-b": "2" }],
      [[status200, literal(62, "3", "indexed"), indexed(63)], { "x-b": "3, 2" }],
      // Only the newest entry fits into its 36 bytes.
      [[tableSize(36), status200, indexed(62)], { "x-b": "3" }],
      // A longer one than the table empties it.
      [
        [status200, literal("x-long", "too long for it", "indexed")],
        { "x-long": "too long for it" },
      ],
      [[tableSize(0), tableSize(4_096), status200, literal("x-c", "4", "indexed")], { "x-c": "4" }],
      [[status200, indexed(62), literal(62, "5", "neverIndexed")], { "x-c": "4, 5" }],
    ];
    for (const [at, [fields, expected]] of replies.entries()) {
      const call = connection.call();
      const id = at * 2 + 1;
      await peer.requestBody(id);
      peer.send(headers(id, Buffer.concat(fields), end));

      expect(await call.ended).toBeUndefined();
      expect(call.report.headers).toEqual({ ":status": "200", ...expected });
    }
  });

  test("the table evicts its oldest entries", async () => {
    const value = "v".repeat(1_000);
    const fill = Array.from({ length: 5 }, (_, at) => literal(`x-${at}`, value, "indexed"));
    // Three of 1,035 bytes fit into 4,096.
    const fields = [status200, ...fill, indexed(62), indexed(64)];
    const { headers: received, error } = await reportOf(headers(1, Buffer.concat(fields), end));

    expect(error).toBeUndefined();
    expect(received).toMatchObject({ "x-4": `${value}, ${value}`, "x-2": `${value}, ${value}` });
  });

  test("the blocks of a stream that was cancelled change the table all the same", async () => {
    await using connection = await openScripted(open);
    const { peer } = connection;
    const cancelled = connection.call();
    await peer.requestBody(1);
    cancelled.cancel();
    await peer.next("RST_STREAM", 1);
    peer.send(
      headers(1, Buffer.concat([status200, literal("x-a", "1", "indexed")])),
      data(1, body),
    );
    const call = connection.call();
    await peer.requestBody(3);
    peer.send(headers(3, Buffer.concat([status200, indexed(62)]), end));

    expect(await call.ended).toBeUndefined();
    expect(call.report.headers).toEqual({ ":status": "200", "x-a": "1" });
  });

  test.each([
    { what: "headers", frames: [headers(1, status200, 0)], id: 1 },
    { what: "DATA", frames: [headers(1, replyHeaders), data(1, body)], id: 1 },
  ])("a reply that stops after $what ends with the connection", async ({ frames }) => {
    await using connection = await openScripted(open);
    const call = connection.call();
    await connection.peer.requestBody(1);
    connection.peer.send(...frames);
    connection.peer.socket.end();

    expect(await call.ended).toSatisfy((error) => error instanceof Error || error === undefined);
    expect(call.report.trailers).toBeUndefined();
    expect(call.report.isEnd ?? false).toBe(false);
    await connection.closed;
  });

  describe("a request", () => {
    async function sentBy(
      options: { readonly headers?: Readonly<Record<string, string>> },
      request: Parameters<Awaited<ReturnType<typeof openScripted>>["call"]>[0],
    ) {
      const server = http2.createServer();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as AddressInfo;
      const arrived = Promise.withResolvers<object>();
      server.on("stream", (stream, received, _flags, raw) => {
        const pieces: Buffer[] = [];
        stream.on("data", (piece: Buffer) => pieces.push(piece));
        stream.on("end", () => {
          stream.respond({ ":status": 200 }, { endStream: true });
          const fields = Array.from({ length: raw.length / 2 }, (_, at) => [
            raw[at * 2],
            raw[at * 2 + 1],
          ]);
          const sensitive: unknown = Reflect.get(received, http2.sensitiveHeaders);
          arrived.resolve({
            port,
            fields,
            sensitive,
            body: Buffer.concat(pieces).toString("latin1"),
          });
        });
      });
      try {
        await using connection = openCalling(open, { authority: `127.0.0.1:${port}`, ...options });
        expect(await connection.call(request).ended).toBeUndefined();
        return await arrived.promise;
      } finally {
        server.close();
      }
    }

    test("has its pseudo-headers, its headers and those of the connection, which win", async () => {
      const sent = (await sentBy(
        { headers: { "content-type": "application/grpc", te: "trailers", "x-both": "connection" } },
        {
          path: "/a.B/C?d=%20",
          headers: {
            "grpc-timeout": "100m",
            "x-both": "request",
            "x-empty": "",
            "x-latin": "\u00e9",
          },
          body: [Buffer.from("ab"), Buffer.alloc(0), Buffer.from("c")],
        },
      )) as { readonly port: number; readonly fields: readonly (readonly [string, string])[] };

      expect(sent.fields.slice(0, 4).toSorted()).toEqual([
        [":authority", `127.0.0.1:${sent.port}`],
        [":method", "POST"],
        [":path", "/a.B/C?d=%20"],
        [":scheme", "http"],
      ]);
      expect(sent.fields.slice(4).toSorted()).toEqual([
        ["content-type", "application/grpc"],
        ["grpc-timeout", "100m"],
        ["te", "trailers"],
        ["x-both", "connection"],
        ["x-empty", ""],
        ["x-latin", "\u00e9"],
      ]);
      expect(sent).toMatchObject({ body: "abc" });
    });

    test("may have long headers, and the same ones again", async () => {
      await using connection = await openScripted(open);
      const long = { "x-long": "v".repeat(16_000), "x-a": "1" };
      for (const id of [1, 3]) {
        const call = connection.call({ headers: long });
        await connection.peer.requestBody(id);
        connection.peer.send(headers(id, replyHeaders, end));
        expect(await call.ended).toBeUndefined();
      }
    });

    test.runIf(implementation === "own")("keeps its authorization out of tables", async () => {
      const sent = await sentBy({ headers: { authorization: "Bearer abc" } }, {});

      expect(sent).toMatchObject({ sensitive: ["authorization"] });
    });

    test.each<{ what: string; headers?: Record<string, string>; path?: string }>([
      { what: "a name with a blank", headers: { "x a": "1" } },
      { what: "an empty name", headers: { "": "1" } },
      { what: "a name above ASCII", headers: { "x-\u00e9": "1" } },
      { what: "a pseudo-header", headers: { ":other": "1" } },
      { what: "a line feed in a value", headers: { "x-a": "1\n2" } },
      { what: "a NUL in a value", headers: { "x-a": "\0" } },
      { what: "a value above Latin-1", headers: { "x-a": "\u0100" } },
      { what: "a header of HTTP/1.1", headers: { connection: "close" } },
      { what: "te other than trailers", headers: { te: "gzip" } },
    ])("with $what throws, and the next one is sent", async ({ what: _, ...request }) => {
      await using connection = await openScripted(open);
      await connection.connected;
      expect(() => connection.call(request)).toThrow(TypeError);

      const call = connection.call();
      const { id } = await connection.peer.next("HEADERS");
      connection.peer.send(headers(id, replyHeaders, end));
      expect(await call.ended).toBeUndefined();
      expect(connection.peer.received("HEADERS")).toHaveLength(1);
    });

    test("with upper-case names sends them in lower case", async () => {
      expect(await sentBy({}, { headers: { "X-Upper": "A" } })).toMatchObject({
        fields: expect.arrayContaining([["x-upper", "A"]]),
      });
    });
  });
});
