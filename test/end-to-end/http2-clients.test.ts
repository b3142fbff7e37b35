import { Metadata, Server, ServerCredentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { http2Implementations, openCalling } from "../support/http2-calls.ts";

// Both HTTP/2 clients of the gateway at a server of grpc-js, which the model server is built on.

const echo = {
  path: "/test.Echo/Echo",
  requestStream: false,
  responseStream: false,
  requestSerialize: (message: Buffer) => message,
  requestDeserialize: (message: Buffer) => message,
  responseSerialize: (message: Buffer) => message,
  responseDeserialize: (message: Buffer) => message,
} as const;

function prefixOf({ byteLength }: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(byteLength, 1);
  return prefix;
}

const server = new Server({ "grpc.max_receive_message_length": -1 });
let port = 0;
beforeAll(async () => {
  server.addService(
    { echo },
    {
      echo: (
        call: { request: Buffer; metadata: Metadata },
        done: (error: object | null, reply?: Buffer, trailer?: Metadata) => void,
      ) => {
        const trailer = new Metadata();
        trailer.set("x-seen", String(call.metadata.get("x-sent")));
        if (call.request.length === 0) done({ code: 3, details: "empty: é ", metadata: trailer });
        else done(null, call.request, trailer);
      },
    },
  );
  port = await new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
});
afterAll(() => server.forceShutdown());

describe.each(http2Implementations)("$name", ({ open }) => {
  const connect = (windowBytes: number) =>
    openCalling(open, {
      authority: `127.0.0.1:${port}`,
      windowBytes,
      headers: { "content-type": "application/grpc", te: "trailers" },
    });
  const request = (message: Uint8Array, sent = "1") => ({
    path: echo.path,
    headers: { "x-sent": sent, "grpc-timeout": "20S" },
    body: [prefixOf(message), message],
  });

  test.each([1, 16_379, 70_000, 3_000_000])("a message of %i bytes comes back", async (count) => {
    await using connection = connect(100_000);
    const message = Buffer.alloc(count, "tensor");
    const call = connection.call(request(message));

    expect(await call.ended).toBeUndefined();
    expect(call.report.headers).toMatchObject({ ":status": "200" });
    expect(call.report.body?.subarray(5)).toEqual(message);
    expect(call.report.trailers).toMatchObject({ "grpc-status": "0", "x-seen": "1" });
  });

  test("300 calls at a time get their own answers", async () => {
    await using connection = connect(65_535);
    const calls = Array.from({ length: 300 }, (_, at) =>
      connection.call(request(Buffer.alloc(1 + at * 7, at), String(at))),
    );
    for (const [at, call] of calls.entries()) {
      expect(await call.ended).toBeUndefined();
      expect(call.report.body?.subarray(5)).toEqual(Buffer.alloc(1 + at * 7, at));
      expect(call.report.trailers).toMatchObject({ "x-seen": String(at) });
    }
  });

  test("a status comes with its message", async () => {
    await using connection = connect(65_535);
    const call = connection.call(request(new Uint8Array()));

    expect(await call.ended).toBeUndefined();
    const status = { ...call.report.headers, ...call.report.trailers };
    expect(status).toMatchObject({
      "grpc-status": "3",
      "grpc-message": "empty:%20%C3%A9%20",
      "x-seen": "1",
    });
  });
});
