import { createHash } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import { deflateSync, gzipSync } from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import {
  ClassifyRequestSchema,
  ClassifyResponseSchema,
} from "@tensorgate/proto/tensorgate/v1/scoring";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { startAnsweringGateway } from "../support/answering-gateway.ts";
import { samplePicture } from "../support/pictures.ts";
import { failureOf, framed, openRpc, postRpc, type RawAnswer } from "../support/raw-rpc.ts";
import type { RunningGateway } from "../support/running-gateway.ts";

const key = `tg_app_${"s".repeat(43)}`;
const keys = [{ id: "app", sha256: createHash("sha256").update(key).digest("hex"), models: ["*"] }];

let running: RunningGateway;
let keyed: RunningGateway;
beforeAll(async () => {
  [running, keyed] = await Promise.all([startAnsweringGateway(), startAnsweringGateway({ keys })]);
});
afterAll(async () => {
  await running[Symbol.asyncDispose]();
  await keyed[Symbol.asyncDispose]();
});

const classify = "/tensorgate.v1.ScoringService/Classify";
const message = Buffer.from(
  toBinary(
    ClassifyRequestSchema,
    create(ClassifyRequestSchema, {
      modelSpec: { name: "shapes" },
      pictures: [{ id: "a", source: { case: "data", value: samplePicture("star") } }],
    }),
  ),
);

describe("a call that is refused by its headers", () => {
  /** The error that a stock client sees of a call of this kind. */
  async function errorOf(path: string, kind: "unary" | "server" | "bidi", sent: object) {
    const client = new Client(new URL(keyed.url).host, credentials.createInsecure());
    onTestFinished(() => client.close());
    const metadata = Metadata.fromHttp2Headers(sent as http2.IncomingHttpHeaders);
    const same = (bytes: Buffer) => bytes;
    if (kind === "unary") {
      return await new Promise<ServiceError | null>((resolve) => {
        client.makeUnaryRequest(path, same, same, message, metadata, (error) => resolve(error));
      });
    }
    const stream =
      kind === "server"
        ? client.makeServerStreamRequest(path, same, same, Buffer.alloc(0), metadata)
        : client.makeBidiStreamRequest(path, same, same, metadata);
    const [error] = (await once(stream.resume(), "error").catch((thrown) => [thrown])) as [
      ServiceError,
    ];
    return error;
  }

  // https://github.com/dotnet/aspnetcore/issues/4744, https://github.com/grpc/grpc-java/issues/10124 and
  // https://github.com/grpc/grpc-go/issues/658: an answer that ends with an empty frame of data, rather than with its
  // headers, is INTERNAL or UNKNOWN to clients, which never see the status that it has.
  const calls = [
    { path: classify, kind: "unary" },
    { path: "/tensorgate.v1.CatalogService/ListModels", kind: "unary" },
    { path: "/tensorgate.v1.ScoringService/ClassifyStream", kind: "bidi" },
    { path: "/tensorgate.v1.StatusService/WatchStatus", kind: "server" },
    { path: "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", kind: "bidi" },
  ] as const;
  const refusals = [
    { sent: {}, details: "missing API key" },
    { sent: { authorization: `Bearer ${key}x` }, details: "invalid API key" },
    { sent: { "x-api-key": "tg_other" }, details: "invalid API key" },
  ];
  test.each(calls.flatMap((call) => refusals.map((refusal) => ({ ...call, ...refusal }))))(
    "$path, $kind, with $sent: UNAUTHENTICATED, $details",
    async ({ path, kind, sent, details }) => {
      const error = await errorOf(path, kind, sent);

      expect(error).toMatchObject({ code: status.UNAUTHENTICATED, details });
      expect(error?.metadata.get("x-request-id")).toHaveLength(1);
    },
  );

  test.each([
    {
      path: "/tensorgate.v1.ScoringService/Nothing",
      hint: "tensorgate.v1.ScoringService has Classify",
    },
    { path: "/other.Service/Method", hint: "there are the services grpc.health.v1.Health, " },
  ])("$path is UNIMPLEMENTED, with what there is", async ({ path, hint }) => {
    const error = await errorOf(path, "unary", {});

    expect(error).toMatchObject({
      code: status.UNIMPLEMENTED,
      details: expect.stringContaining(`unknown method ${path}; ${hint}`),
    });
  });

  test("the refusal is one frame of headers", async () => {
    using rpc = openRpc(keyed.url, classify, { "content-type": "application/grpc+proto" });
    rpc.stream.end(framed(message));

    const [headers, flags] = await once(rpc.stream, "response");

    expect(flags & http2.constants.NGHTTP2_FLAG_END_STREAM).not.toBe(0);
    expect(headers).toMatchObject({ ":status": 200, "grpc-status": "16" });
  });
});

describe("a compression that is not known", () => {
  const statusOf = ({ headers, trailers, body }: RawAnswer) =>
    headers["grpc-status"] ??
    trailers["grpc-status"] ??
    /grpc-status: ?(\d+)/.exec(body)?.[1] ??
    /"code":"(\w+)"/.exec(body)?.[1];

  // https://github.com/grpc/grpc-node/issues/2767, https://github.com/grpc/grpc/issues/36770 and
  // https://github.com/grpc/grpc/issues/7010: the server says that the request is invalid, or fails, and not which
  // compressions it knows, so that the client cannot send the call in another one.
  const forms = [
    { type: "application/grpc", sent: "grpc-encoding", known: "grpc-accept-encoding", code: "12" },
    {
      type: "application/grpc-web",
      sent: "grpc-encoding",
      known: "grpc-accept-encoding",
      code: "12",
    },
    {
      type: "application/proto",
      sent: "content-encoding",
      known: "accept-encoding",
      code: "unimplemented",
    },
    {
      type: "application/json",
      sent: "content-encoding",
      known: "accept-encoding",
      code: "unimplemented",
    },
    {
      type: "application/connect+proto",
      sent: "connect-content-encoding",
      known: "connect-accept-encoding",
      code: "unimplemented",
    },
  ];
  const encodings = ["compress", "snappy", "br", "zstd", "gzip, gzip"];
  test.each(forms.flatMap((form) => encodings.map((encoding) => ({ ...form, encoding }))))(
    "$encoding of $type is UNIMPLEMENTED, and the answer names what is known",
    async ({ type, sent, known, code, encoding }) => {
      const isStream = type.startsWith("application/connect+");
      const path = isStream ? "/tensorgate.v1.ScoringService/ClassifyStream" : classify;
      const isWhole = type === "application/proto" || type === "application/json";

      const answer = await postRpc(running.url, path, {
        headers: { "content-type": type, [sent]: encoding },
        body: isWhole ? message : framed(message, 1),
      });

      expect(statusOf(answer)).toBe(code);
      expect(failureOf(answer)).toContain("unsupported-media");
      expect(answer.headers[known]).toBe("gzip,deflate");
    },
  );

  test("a stream of gRPC is refused in the same way", async () => {
    const answer = await postRpc(running.url, "/tensorgate.v1.ScoringService/DetectStream", {
      headers: { "content-type": "application/grpc", "grpc-encoding": "snappy" },
      body: framed(message, 1),
    });

    expect(answer.headers).toMatchObject({
      "grpc-status": "12",
      "grpc-accept-encoding": "gzip,deflate",
    });
  });

  test.each([
    { encoding: "gzip", pack: gzipSync },
    { encoding: "deflate", pack: deflateSync },
  ])("$encoding is read, and REST answers 415 to others", async ({ encoding, pack }) => {
    const answer = await postRpc(running.url, classify, {
      headers: { "content-type": "application/grpc", "grpc-encoding": encoding },
      body: framed(pack(message), 1),
    });
    const rest = await fetch(`${running.url}/v1/classify/shapes`, {
      method: "POST",
      headers: { "content-encoding": "br" },
      body: message,
    });

    expect(answer.trailers["grpc-status"]).toBe("0");
    expect(answer.headers["grpc-accept-encoding"]).toBe("gzip,deflate");
    expect(rest.status).toBe(415);
  });
});

describe("gRPC-Web in text, the first choice of gRPC's own client for browsers", () => {
  async function post(text: string, type = "application/grpc-web-text") {
    const headers = { "content-type": type, accept: type, "x-grpc-web": "1" };
    const request = http.request(`${running.url}${classify}`, { method: "POST", headers });
    request.end(text, "latin1");
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    const body = (await response.setEncoding("latin1").toArray()).join("");
    // Padding may stand wherever the server has flushed.
    const pieces = body.match(/[^=]+={0,2}/g) ?? [];
    const bytes = Buffer.concat(pieces.map((piece) => Buffer.from(piece, "base64")));
    return { status: response.statusCode, type: response.headers["content-type"], bytes };
  }

  // https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md: a client that generated its code with the default
  // mode is answered 415.
  test.each([
    { name: "as a whole", text: framed(message).toString("base64") },
    {
      name: "padded after the prefix and in the message",
      text: [framed(message).subarray(0, 5), message.subarray(0, 1_000), message.subarray(1_000)]
        .map((piece) => piece.toString("base64"))
        .join(""),
    },
  ])("a message in base64 $name is answered in base64", async ({ text }) => {
    const { status: code, type, bytes } = await post(text);

    expect({ code, type }).toEqual({ code: 200, type: "application/grpc-web-text" });
    const length = bytes.readUInt32BE(1);
    const answer = fromBinary(ClassifyResponseSchema, bytes.subarray(5, 5 + length));
    expect(answer.results).toMatchObject([{ id: "a", outcome: { case: "labels" } }]);
    expect(bytes.subarray(5 + length).toString("latin1")).toContain("grpc-status: 0");
  });

  test.each(["@@@@", "AAAAA", "A===", "AA=A", "AAAA=", "AA", "===="])(
    "%s is no base64, and the answer says so",
    async (text) => {
      const { status: code, bytes } = await post(text, "application/grpc-web-text+proto");

      expect(code).toBe(200);
      expect(bytes.toString("latin1")).toContain("grpc-status: 3");
      expect(bytes.toString("latin1")).toContain("base64");
    },
  );
});
