import http2 from "node:http2";

/** The protocols of RPCs, as bytes see them. */
export const rpcProtocols = [
  { name: "Connect", type: "application/proto", encodingHeader: "content-encoding" },
  { name: "gRPC", type: "application/grpc", encodingHeader: "grpc-encoding" },
  { name: "gRPC-Web", type: "application/grpc-web", encodingHeader: "grpc-encoding" },
] as const;

/** An answer in whatever protocol, as it came. */
export interface RawAnswer {
  readonly headers: http2.IncomingHttpHeaders;
  readonly trailers: http2.IncomingHttpHeaders;
  readonly body: string;
}

/** An RPC under way, to which a test sends whatever bytes it likes. */
export interface RawRpc extends Disposable {
  readonly session: http2.ClientHttp2Session;
  readonly stream: http2.ClientHttp2Stream;
  /** What came in, when the answer has ended or the connection is gone. */
  readonly answer: Promise<RawAnswer>;
}

export function openRpc(url: string, path: string, headers: Record<string, string>): RawRpc {
  // Node counts what a client has yet to send as memory of its session, and gives up at ten megabytes.
  const session = http2.connect(url, { maxSessionMemory: 200 });
  session.on("error", () => {});
  const stream = session.request({ ":method": "POST", ":path": path, te: "trailers", ...headers });
  let answered: http2.IncomingHttpHeaders = {};
  let trailers: http2.IncomingHttpHeaders = {};
  const chunks: Buffer[] = [];
  stream.on("response", (received) => {
    answered = received;
  });
  stream.on("trailers", (received) => {
    trailers = received;
  });
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("error", () => {});
  const ended = new Promise((resolve) => stream.once("end", resolve).once("close", resolve));
  const answer = ended.then(() => ({
    headers: answered,
    trailers,
    body: Buffer.concat(chunks).toString("latin1"),
  }));
  return { session, stream, answer, [Symbol.dispose]: () => session.destroy() };
}

/** Sends one body as it is, and gives the answer. */
export async function postRpc(
  url: string,
  path: string,
  { headers, body }: { readonly headers: Record<string, string>; readonly body: Uint8Array },
): Promise<RawAnswer> {
  using rpc = openRpc(url, path, headers);
  rpc.stream.end(body);
  return await rpc.answer;
}

/** A message in the envelope of gRPC, gRPC-Web and Connect streams. */
export function framed(bytes: Uint8Array, flags = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flags, 0);
  prefix.writeUInt32BE(bytes.byteLength, 1);
  return Buffer.concat([prefix, bytes]);
}

/** All that an answer says of a failure: its texts, and the details that are in base64. */
export function failureOf({ headers, trailers, body }: RawAnswer): string {
  const encoded = [
    headers["grpc-status-details-bin"],
    trailers["grpc-status-details-bin"],
    /grpc-status-details-bin: (\S+)/.exec(body)?.[1],
    ...[...body.matchAll(/"value":\s*"([^"]+)"/g)].map(([, value]) => value),
  ];
  const details = encoded.map((text) => Buffer.from(String(text ?? ""), "base64"));
  return [body, ...details.map((bytes) => bytes.toString("latin1"))].join(" ");
}
