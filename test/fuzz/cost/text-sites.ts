import { gzipSync } from "node:zlib";
import { between, hexPiece, type Piece, piece, type Site } from "./body.ts";

const pieces = (...values: readonly string[]): readonly Piece[] =>
  values.map((value) => piece(value));

const partHead = 'content-disposition: form-data; name="a"';

/** `multipart/form-data` whose boundary is `b`. */
export const formSites: readonly Site[] = [
  {
    name: "parts",
    wrap: between("", "--b--\r\n"),
    pieces: pieces(
      "--b\r\n\r\n\r\n",
      "--b\r\n",
      `--b\r\n${partHead}\r\n\r\n\r\n`,
      `--b\r\n${partHead}; filename="f"\r\n\r\n\r\n`,
      `--b\r\n${partHead}; filename="f"\r\ncontent-type: image/jpeg\r\n\r\nA\r\n`,
      `--b\r\n${partHead.replace('"a"', '"@@@@@@"')}\r\n\r\n\r\n`,
      "--b\r\ncontent-disposition: form-data; name=a\r\n\r\n\r\n",
      "--b--\r\n",
      "\r\n",
    ),
  },
  {
    name: "part headers",
    wrap: between(`--b\r\n${partHead}\r\n`, "\r\nA\r\n--b--\r\n"),
    pieces: pieces(
      "x: y\r\n",
      "@@@@@@: y\r\n",
      ":\r\n",
      "x:\r\n",
      `${partHead}\r\n`,
      "x: y\r\n ",
      "a",
    ),
  },
  {
    name: "a part's parameters",
    wrap: between(`--b\r\n${partHead}`, "\r\n\r\nA\r\n--b--\r\n"),
    pieces: pieces(
      "; a=b",
      ";",
      '; a="',
      '\\"',
      " ",
      "; filename=f",
      "; filename*=utf-8''%41",
      "%41",
      "=",
    ),
  },
  {
    name: "a file's content",
    wrap: between(`--b\r\n${partHead}; filename="f"\r\n\r\n`, "\r\n--b--\r\n"),
    pieces: pieces("\r\n", "\r\n-", "\r\n--", "\r\n--a", "-", "\r", "\n", "A", "--b"),
  },
  {
    name: "before the first part",
    wrap: between("", `--b\r\n${partHead}\r\n\r\nA\r\n--b--\r\n`),
    pieces: pieces("\r\n", "-", "--", "a", "\r\n--a"),
  },
  {
    name: "after the last part",
    wrap: between(`--b\r\n${partHead}\r\n\r\nA\r\n--b--\r\n`),
    pieces: pieces("\r\n", "--b\r\n", "a", "-"),
  },
];

/** What can stand after the `?`. */
export const querySites: readonly Site[] = [
  {
    name: "query",
    wrap: (content) => content,
    pieces: pieces(
      "&",
      "a=&",
      "@@@@@@=1&",
      "%41",
      "%",
      "+",
      "=",
      "topK=1&",
      "minScore=0&",
      "version=1",
      "1",
      ";",
    ),
  },
  ...["topK=", "minScore=", "version=", "region=", "versionLabel="].map((before) => ({
    name: `query ${before}`,
    wrap: between(before),
    pieces: pieces("1", "0", "9", "%20", ".", "e", "a", "-"),
  })),
];

/** A request header that something of ours reads; `name` is the header. */
export interface HeaderSite extends Site {
  readonly header: string;
}

export const headerSites: readonly HeaderSite[] = [
  "authorization",
  "content-type",
  "accept",
  "cookie",
  "traceparent",
  "tracestate",
  "baggage",
  "x-request-id",
  "x-tensorgate-residency",
  "x-tensorgate-region",
  "x-tensorgate-timeout-ms",
  "x-tensorgate-priority",
  "grpc-timeout",
  "connect-timeout-ms",
  "cache-control",
  "origin",
  "if-none-match",
  "accept-encoding",
  "content-encoding",
  "x-api-key",
].flatMap((header) =>
  ["", "multipart/form-data; boundary=", "Bearer ", "00-"].map((before) => ({
    header,
    name: `header ${header}: ${before}`,
    wrap: between(before),
    pieces: pieces(
      ",",
      "a,",
      "a",
      " ",
      ";",
      "; a=b",
      '"',
      "\\",
      "=",
      "1",
      "-",
      "/",
      "%41",
      "tg_a_",
    ),
  })),
);

const emptyMember = gzipSync(Buffer.alloc(0));

/** A gzip body that unpacks to little or nothing. */
export const gzipSites: readonly Site[] = [
  {
    name: "gzip members",
    wrap: (content) => content,
    pieces: [
      { name: "empty member", bytes: emptyMember },
      { name: "member of a byte", bytes: gzipSync(Buffer.of(0)) },
      hexPiece("1f8b", "magic"),
    ],
  },
  {
    name: "deflate blocks",
    wrap: (content) => Buffer.concat([emptyMember.subarray(0, 10), content]),
    pieces: [
      hexPiece("000000ffff", "empty stored block"),
      hexPiece("0200", "empty fixed block"),
      hexPiece("00"),
    ],
  },
  {
    name: "gzip name",
    wrap: (content) => Buffer.concat([Buffer.from("1f8b0808000000000003", "hex"), content]),
    pieces: [piece("a"), hexPiece("00")],
  },
];

/** A body of HTTP/1.1 in chunks. */
export const chunkSites: readonly Site[] = [
  {
    name: "HTTP/1.1 chunks",
    wrap: between("", "0\r\n\r\n"),
    pieces: pieces(
      "1\r\nA\r\n",
      "1;a\r\nA\r\n",
      "2\r\nAA\r\n",
      "0001\r\nA\r\n",
      "8\r\nAAAAAAAA\r\n",
    ),
  },
  {
    name: "a chunk's extension",
    wrap: between("1;", "\r\nA\r\n0\r\n\r\n"),
    pieces: pieces("a", ";a", "a=b;", ' "'),
  },
  {
    name: "trailers",
    wrap: between("1\r\nA\r\n0\r\n", "\r\n"),
    pieces: pieces("a: b\r\n", "@@@@@@: b\r\n", "a:\r\n"),
  },
  {
    name: "pipelined requests",
    wrap: between("0\r\n\r\n"),
    pieces: pieces(
      "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n",
      "\r\n",
      "GET /x HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ),
  },
];

const frame = (type: number, flags: number, stream: number, payload = "") =>
  Buffer.concat([
    Buffer.from([0, 0, payload.length / 2, type, flags, 0, 0, 0, stream]),
    Buffer.from(payload, "hex"),
  ]);

/** Frames of HTTP/2 after a request's headers, on stream 1. */
export const http2Sites: readonly Site[] = [
  {
    name: "HTTP/2 frames",
    wrap: (content) => Buffer.concat([content, frame(0, 1, 1)]),
    pieces: [
      { name: "empty DATA", bytes: frame(0, 0, 1) },
      { name: "DATA of a byte", bytes: frame(0, 0, 1, "41") },
      { name: "padded DATA", bytes: frame(0, 8, 1, "00") },
      { name: "PING", bytes: frame(6, 0, 0, "0000000000000000") },
      { name: "SETTINGS", bytes: frame(4, 0, 0) },
      { name: "WINDOW_UPDATE", bytes: frame(8, 0, 0, "00000001") },
      { name: "PRIORITY", bytes: frame(2, 0, 3, "0000000000") },
      { name: "unknown frame", bytes: frame(0x20, 0, 0) },
      { name: "RST_STREAM", bytes: frame(3, 0, 3, "00000000") },
    ],
  },
];

/** Messages of gRPC or Connect, one after the other. */
export function frameSites(good: Uint8Array): readonly Site[] {
  return [
    {
      name: "frames",
      wrap: (content) => content,
      pieces: [
        { name: "good message", bytes: envelope(good) },
        hexPiece("0000000000", "empty message"),
        { name: "packed empty message", bytes: envelope(emptyMember, 1) },
        hexPiece("0100000000", "packed nothing"),
        hexPiece("00000000027800", "unknown field"),
        hexPiece("0200000000", "end of stream"),
        hexPiece("8000000000", "trailers"),
        hexPiece("0000000001ff", "no message"),
      ],
    },
    {
      name: "trailers",
      wrap: (content) => envelope(content, 0x80),
      pieces: pieces("a: b\r\n", "@@@@@@: b\r\n", "a"),
    },
    {
      name: "end of stream",
      wrap: (content) => envelope(content, 0x02),
      pieces: pieces("[", "{}", '{"a":', " "),
    },
  ];
}

export function envelope(message: Uint8Array, flags = 0): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags, 0);
  head.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([head, message]);
}
