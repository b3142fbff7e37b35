import { describe, expect, test } from "vitest";
import { http2Implementations, openScripted } from "../../../../../../test/support/http2-calls.ts";
import {
  ack,
  block,
  continuation,
  data,
  endHeaders,
  endStream,
  frame,
  goaway,
  grpcOk,
  headers,
  hpackInteger,
  indexed,
  literal,
  padded,
  ping,
  settings,
  status200,
  tableSize,
  windowUpdate,
  withPriority,
  word,
} from "../../../../../../test/support/http2-frames.ts";

// What no server may send: it ends the stream or the connection with an error, and nothing else.

const end = endHeaders | endStream;
const bytes = (count: number) => Buffer.alloc(count);
const reply = (fields: Buffer) => headers(1, fields, end);
const withStatus = (...fields: readonly Buffer[]) => reply(Buffer.concat([status200, ...fields]));

interface Case {
  readonly what: string;
  readonly frames: readonly Buffer[];
  /** An implementation that does not mind, by its nature. */
  readonly lenient?: "node";
}

/** The connection cannot go on. */
const fatal: readonly Case[] = [
  { what: "a frame above 16,384 bytes", frames: [headers(1, status200), data(1, bytes(16_385))] },
  {
    what: "a frame of 16 MiB that is announced",
    frames: [Buffer.from("ffffff000000000001", "hex")],
  },
  { what: "DATA on stream 0", frames: [data(0, bytes(1))] },
  { what: "DATA on an idle stream", frames: [data(7, bytes(1))] },
  { what: "HEADERS on stream 0", frames: [headers(0, status200)] },
  { what: "HEADERS on an even stream", frames: [headers(2, status200)] },
  { what: "HEADERS on an idle stream", frames: [headers(3, status200)] },
  { what: "RST_STREAM on stream 0", frames: [frame("RST_STREAM", 0, { payload: word(8) })] },
  { what: "RST_STREAM on an idle stream", frames: [frame("RST_STREAM", 9, { payload: word(8) })] },
  { what: "RST_STREAM of 3 bytes", frames: [frame("RST_STREAM", 1, { payload: bytes(3) })] },
  { what: "RST_STREAM of 5 bytes", frames: [frame("RST_STREAM", 1, { payload: bytes(5) })] },
  { what: "SETTINGS of 5 bytes", frames: [frame("SETTINGS", 0, { payload: bytes(5) })] },
  { what: "SETTINGS on a stream", frames: [frame("SETTINGS", 1)] },
  {
    what: "an acknowledgement of SETTINGS with a payload",
    frames: [frame("SETTINGS", 0, { flags: ack, payload: bytes(6) })],
  },
  { what: "a window of 2 ** 31 in SETTINGS", frames: [settings({ INITIAL_WINDOW_SIZE: 2 ** 31 })] },
  { what: "too small a frame size", frames: [settings({ MAX_FRAME_SIZE: 16_383 })] },
  { what: "too large a frame size", frames: [settings({ MAX_FRAME_SIZE: 2 ** 24 })] },
  { what: "a push that is enabled", frames: [settings({ ENABLE_PUSH: 2 })] },
  { what: "PING of 7 bytes", frames: [ping(bytes(7))] },
  { what: "PING of 9 bytes", frames: [ping(bytes(9))] },
  { what: "PING on a stream", frames: [frame("PING", 1, { payload: bytes(8) })] },
  { what: "GOAWAY of 7 bytes", frames: [frame("GOAWAY", 0, { payload: bytes(7) })] },
  { what: "GOAWAY on a stream", frames: [frame("GOAWAY", 1, { payload: bytes(8) })] },
  { what: "WINDOW_UPDATE of 3 bytes", frames: [frame("WINDOW_UPDATE", 0, { payload: bytes(3) })] },
  { what: "WINDOW_UPDATE on an idle stream", frames: [windowUpdate(5, 1)] },
  { what: "WINDOW_UPDATE of 0 for the connection", frames: [windowUpdate(0, 0)] },
  { what: "a window of the connection above the limit", frames: [windowUpdate(0, 2 ** 31 - 1)] },
  {
    what: "settings that lift a window above the limit",
    frames: [windowUpdate(1, 2 ** 31 - 1 - 65_535), settings({ INITIAL_WINDOW_SIZE: 65_536 })],
  },
  {
    what: "padding as long as the frame",
    frames: [headers(1, status200), data(1, Buffer.of(3, 0, 0), padded)],
  },
  {
    what: "padding without its length",
    frames: [headers(1, status200), data(1, bytes(0), padded)],
  },
  {
    what: "padding longer than HEADERS",
    frames: [headers(1, Buffer.of(9, 0x88), endHeaders | padded)],
  },
  {
    what: "HEADERS too short for their priority",
    frames: [headers(1, bytes(4), endHeaders | withPriority)],
  },
  { what: "CONTINUATION without HEADERS", frames: [continuation(1, status200)] },
  {
    what: "CONTINUATION of another stream",
    frames: [headers(1, status200, 0), continuation(3, bytes(0))],
  },
  { what: "DATA in a header block", frames: [headers(1, status200, 0), data(1, bytes(1))] },
  { what: "PING in a header block", frames: [headers(1, status200, 0), ping(bytes(8))] },
  {
    what: "CONTINUATIONs without end",
    frames: [headers(1, status200, 0), ...Array<Buffer>(500).fill(continuation(1, bytes(0), 0))],
  },
  {
    what: "a push",
    // It resets the push alone.
    lenient: "node",
    frames: [frame("PUSH_PROMISE", 1, { flags: endHeaders, payload: Buffer.of(0, 0, 0, 2, 0x82) })],
  },
  { what: "the index 0", frames: [withStatus(indexed(0))] },
  { what: "an index past the table", frames: [withStatus(indexed(62))] },
  { what: "a name past the table", frames: [withStatus(literal(62, "a"))] },
  { what: "an index without end", frames: [withStatus(Buffer.of(0xff, ...bytes(20).fill(0xff)))] },
  { what: "an index above 2 ** 32", frames: [withStatus(Buffer.from("ff8080808010", "hex"))] },
  { what: "an index that is cut short", frames: [withStatus(Buffer.of(0xff, 0x80))] },
  { what: "a literal that is cut short", frames: [withStatus(Buffer.of(0x40, 5, 97))] },
  { what: "a literal without a value", frames: [withStatus(Buffer.of(0x40, 1, 97))] },
  {
    what: "Huffman's code with padding of zeros",
    frames: [withStatus(literal("a", { huffman: "00" }))],
  },
  {
    what: "Huffman's code with a byte of padding",
    frames: [withStatus(literal("a", { huffman: "1fff" }))],
  },
  {
    what: "Huffman's code with the end symbol",
    frames: [withStatus(literal("a", { huffman: "fffffffc" }))],
  },
  {
    what: "a table above 4,096 bytes",
    frames: [reply(Buffer.concat([tableSize(4_097), status200]))],
  },
  {
    what: "a table of 2 ** 28 bytes",
    frames: [reply(Buffer.concat([hpackInteger(2 ** 28, 5, 0x20), status200]))],
  },
  {
    what: "an index that a smaller table no longer has",
    frames: [
      headers(1, literal(":status", "103", "indexed")),
      reply(Buffer.concat([tableSize(0), tableSize(4_096), indexed(62)])),
    ],
  },
  { what: "a change of the table behind a field", frames: [withStatus(tableSize(0))] },
];

/** The reply alone is lost. */
const malformedReplies: readonly Case[] = [
  { what: "DATA before HEADERS", frames: [data(1, bytes(1), endStream)] },
  { what: "WINDOW_UPDATE of 0 for the stream", frames: [windowUpdate(1, 0)] },
  { what: "a window of the stream above the limit", frames: [windowUpdate(1, 2 ** 31 - 1)] },
  { what: "no status", frames: [reply(block({ "x-a": "1" }))] },
  { what: "no headers at all", frames: [reply(bytes(0))] },
  { what: "two statuses", frames: [withStatus(indexed(9))] },
  { what: "a status of two digits", frames: [reply(literal(":status", "20"))] },
  { what: "a status of letters", frames: [reply(literal(":status", "abc"))] },
  { what: "a name in upper case", frames: [withStatus(literal("X-A", "1"))] },
  // Node does not check names and values, since it would drop status messages that end in a blank.
  { what: "a name with a blank", frames: [withStatus(literal("x a", "1"))], lenient: "node" },
  { what: "an empty name", frames: [withStatus(literal("", "1"))], lenient: "node" },
  {
    what: "a value with a line feed",
    frames: [withStatus(literal("x-a", "1\n2"))],
    lenient: "node",
  },
  { what: "a value with NUL", frames: [withStatus(literal("x-a", "\0"))], lenient: "node" },
  {
    what: "a status behind another header",
    frames: [reply(Buffer.concat([literal("x-a", "1"), status200]))],
  },
  { what: "an unknown pseudo-header", frames: [withStatus(literal(":other", "1"))] },
  { what: "a pseudo-header of requests", frames: [withStatus(literal(":path", "/"))] },
  { what: "a header of HTTP/1.1", frames: [withStatus(literal("connection", "close"))] },
  { what: "an interim response that ends", frames: [reply(literal(8, "103"))] },
  {
    what: "a status in trailers",
    frames: [headers(1, status200), headers(1, Buffer.concat([status200, grpcOk]), end)],
  },
  { what: "trailers that do not end", frames: [headers(1, status200), headers(1, grpcOk)] },
  {
    what: "trailers with a name in upper case",
    frames: [headers(1, status200), headers(1, literal("Grpc-Status", "0"), end)],
  },
];

describe.each(http2Implementations)("$name", ({ name: implementation, open }) => {
  test.each(fatal.filter(({ lenient }) => lenient !== implementation))(
    "$what ends the connection",
    async ({ frames }) => {
      await using connection = await openScripted(open);
      const { peer } = connection;
      const call = connection.call();
      await peer.requestBody(1);
      peer.write(Buffer.concat(frames));

      expect(await call.ended).toBeInstanceOf(Error);
      await connection.closed;
      await peer.closed;
      expect(connection.http2.isClosed).toBe(true);
      if (implementation === "own") {
        const [last] = peer.received("GOAWAY").slice(-1);
        expect(last?.payload.readUInt32BE(4)).toBeGreaterThan(0);
      }
    },
  );

  test.each(malformedReplies.filter(({ lenient }) => lenient !== implementation))(
    "$what ends the reply",
    async ({ frames }) => {
      await using connection = await openScripted(open);
      const { peer } = connection;
      const call = connection.call({ body: [bytes(10)] });
      await peer.requestBody(1);
      peer.write(Buffer.concat(frames));

      expect(await call.ended).toBeInstanceOf(Error);
      expect(call.report.trailers).toBeUndefined();
      if (connection.http2.isClosed) return;
      const next = connection.call();
      await peer.requestBody(3);
      peer.send(headers(3, status200, end));
      expect(await next.ended).toBeUndefined();
    },
  );

  test.each([
    { what: "16 KiB", fields: [literal("x-long", "v".repeat(16_380))] },
    {
      what: "16 KiB by the table",
      fields: [
        literal("x-long", "v".repeat(4_000), "indexed"),
        ...Array<Buffer>(8).fill(indexed(62)),
      ],
    },
    {
      what: "128 fields",
      fields: Array.from({ length: 130 }, (_, at) => literal(`x-${at}`, "")),
    },
  ])("headers above $what are reported as too long, or lost", async ({ fields }) => {
    await using connection = await openScripted(open);
    const { peer } = connection;
    const call = connection.call();
    await peer.requestBody(1);
    const whole = Buffer.concat([status200, ...fields]);
    peer.write(
      whole.length <= 16_384
        ? reply(whole)
        : Buffer.concat([
            headers(1, whole.subarray(0, 16_000), endStream),
            continuation(1, whole.subarray(16_000)),
          ]),
    );
    const error = await call.ended;
    const count = Object.keys(call.report.headers ?? {}).length;
    if (error === undefined) {
      expect((call.report.headerBytes ?? 0) > 16_384 || count > 128).toBe(true);
    }
  });

  const floods: readonly { what: string; flood: Buffer; lenient?: "node" }[] = [
    { what: "SETTINGS", flood: settings() },
    {
      what: "SETTINGS that change every window",
      flood: settings({ INITIAL_WINDOW_SIZE: 70_000 }),
    },
    { what: "PING", flood: ping(bytes(8)) },
    { what: "empty DATA", flood: data(1, bytes(0)) },
    { what: "empty DATA of an ended stream", flood: data(3, bytes(0)), lenient: "node" },
    { what: "ALTSVC", flood: frame("ALTSVC", 0, { payload: Buffer.of(0, 1, 97, 97) }) },
    {
      what: "ORIGIN",
      flood: frame("ORIGIN", 0, { payload: Buffer.from("\0\x08http://a") }),
      lenient: "node",
    },
    // Node skips these at little cost.
    { what: "an unknown type", flood: frame(0xbe, 0), lenient: "node" },
    { what: "PRIORITY", flood: frame("PRIORITY", 1, { payload: bytes(5) }), lenient: "node" },
    { what: "WINDOW_UPDATE of 1", flood: windowUpdate(0, 1), lenient: "node" },
    { what: "GOAWAY", flood: goaway(2 ** 31 - 1, 0), lenient: "node" },
    { what: "acknowledged PING", flood: ping(bytes(8), ack), lenient: "node" },
    {
      what: "acknowledged SETTINGS",
      flood: frame("SETTINGS", 0, { flags: ack }),
      lenient: "node",
    },
  ];
  test.each(floods.filter(({ lenient }) => lenient !== implementation))(
    "a flood of $what ends the connection",
    async ({ flood }) => {
      await using connection = await openScripted(open);
      const { peer } = connection;
      const ended = connection.call();
      const call = connection.call();
      await peer.requestBody(3);
      peer.send(headers(3, status200, end), headers(1, status200));
      await call.ended;
      peer.rules.isOff = true;
      const many = Buffer.concat(Array<Buffer>(2_000).fill(flood));
      let sentBytes = 0;
      const pump = () => {
        while (!peer.socket.destroyed && sentBytes < 50_000_000) {
          sentBytes += many.length;
          if (!peer.socket.write(many)) return void peer.socket.once("drain", pump);
        }
      };
      pump();

      expect(await ended.ended).toBeInstanceOf(Error);

      // What it acknowledged was not counted.

      await connection.closed;
    },
  );

  test("CONTINUATION of another open stream ends the connection", async () => {
    await using connection = await openScripted(open);
    const { peer } = connection;
    const calls = [connection.call(), connection.call()];
    await peer.requestBody(3);
    peer.write(Buffer.concat([headers(1, status200, 0), continuation(3, bytes(0))]));

    for (const call of calls) expect(await call.ended).toBeInstanceOf(Error);
    await connection.closed;
  });

  test.each([
    { what: "a second GOAWAY", frames: [goaway(0, 1), goaway(0, 1)] },
    { what: "a reply", frames: [data(0, bytes(1)), reply(status200)] },
    { what: "PING", frames: [data(0, bytes(1)), ping(bytes(8)), settings(), goaway(0, 0)] },
  ])("$what behind what ended the connection is not read", async ({ frames }) => {
    await using connection = await openScripted(open);
    const { peer } = connection;
    const call = connection.call();
    await peer.requestBody(1);
    peer.write(Buffer.concat(frames));

    expect(await call.ended).toBeInstanceOf(Error);
    await connection.closed;
    await peer.closed;
    expect(call.report.headers).toBeUndefined();
    expect(connection.goaways.length).toBeLessThanOrEqual(1);
  });
});
