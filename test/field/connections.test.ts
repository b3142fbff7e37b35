import { once } from "node:events";
import { readFileSync } from "node:fs";
import http2 from "node:http2";
import net from "node:net";
import tls from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startAnsweringGateway } from "../support/answering-gateway.ts";
import { hasOpenssl, testCertificates } from "../support/certificates.ts";
import { samplePicture } from "../support/pictures.ts";
import type { RunningGateway } from "../support/running-gateway.ts";

const star = Buffer.from(samplePicture("star"));
const classify = "/v1/classify/shapes";

const requestOf = (path: string, headers: readonly string[], body: Buffer) =>
  Buffer.concat([
    Buffer.from(`POST ${path} HTTP/1.1\r\nhost: localhost\r\n${headers.join("\r\n")}\r\n\r\n`),
    body,
  ]);
const withLength = (path: string, type: string, body: Buffer) =>
  requestOf(path, [`content-type: ${type}`, `content-length: ${body.length}`], body);

const b64 = star.toString("base64");
const form = Buffer.concat([
  Buffer.from('--BB\r\ncontent-disposition: form-data; name="image"; filename="x"\r\n\r\n'),
  star,
  Buffer.from("\r\n--BB--\r\n"),
]);
const chunks = Buffer.concat([
  Buffer.from(`${star.length.toString(16)}\r\n`),
  star,
  Buffer.from("\r\n0\r\n\r\n"),
]);
const message = { modelSpec: { name: "shapes" }, pictures: [{ data: b64 }] };
const rpc = "/tensorgate.v1.ScoringService/Classify";

describe("a caller that closes its sending side after its request", () => {
  let running: RunningGateway;
  beforeAll(async () => {
    running = await startAnsweringGateway();
  });
  afterAll(() => running[Symbol.asyncDispose]());

  async function answerTo(request: Buffer, isLate = false): Promise<string> {
    const socket = net.connect({ port: running.gateway.port, allowHalfOpen: true });
    const received: Buffer[] = [];
    socket.on("data", (piece: Buffer) => received.push(piece));
    socket.on("error", () => {});
    if (isLate) {
      await new Promise((resolve) => socket.write(request, resolve));
      socket.end();
    } else {
      socket.end(request);
    }
    await once(socket, "close");
    return Buffer.concat(received).toString("latin1");
  }

  // https://github.com/envoyproxy/envoy/issues/2066, https://github.com/agentgateway/agentgateway/issues/2427 and
  // https://github.com/httpwg/http-core/issues/22: the server takes the end of the requests for the end of the
  // connection, and the caller gets nothing.
  test.each([
    { name: "a picture", request: withLength(classify, "image/jpeg", star) },
    { name: "a form", request: withLength(classify, "multipart/form-data; boundary=BB", form) },
    {
      name: "JSON",
      request: withLength(
        classify,
        "application/json",
        Buffer.from(JSON.stringify({ image: { b64 } })),
      ),
    },
    {
      name: "a body in chunks",
      request: requestOf(classify, ["transfer-encoding: chunked"], chunks),
    },
    {
      name: "Connect",
      request: withLength(rpc, "application/json", Buffer.from(JSON.stringify(message))),
    },
  ])("gets its answer: $name", async ({ request }) => {
    expect(await answerTo(request)).toContain("arrow");
    expect(await answerTo(request, true)).toContain("arrow");
  });

  test("gets the answers to all of its requests, and what they are refused for", async () => {
    const unknown = withLength("/v1/classify/nothing", "image/jpeg", star);
    const answers = await answerTo(
      Buffer.concat([withLength(classify, "image/jpeg", star), unknown]),
    );

    expect(answers.match(/^HTTP\/1\.1 \d+/gm)).toEqual(["HTTP/1.1 200", "HTTP/1.1 404"]);
  });

  test.each([
    { name: "before a request", request: Buffer.alloc(0) },
    { name: "in the version", request: Buffer.from("PRI * HTT") },
    { name: "in the headers", request: Buffer.from("GET /livez HTTP/1.1\r\nhost: loc") },
    { name: "in the body", request: withLength(classify, "image/jpeg", star).subarray(0, -9) },
  ])("leaves no connection if it closes $name", async ({ request }) => {
    expect(await answerTo(request)).not.toContain("HTTP/1.1 200");

    const nothing = { connections: 0, bytesInFlight: 0 };
    await expect.poll(() => running.gateway.load()).toMatchObject(nothing);
  });
});

describe.runIf(hasOpenssl)("the same in TLS", () => {
  test("is answered; half a handshake and an ended session leave no connection", async () => {
    using files = testCertificates();
    const { serverCertFile: cert, serverKeyFile: key, caFile } = files;
    await using running = await startAnsweringGateway({ listen: { port: 0, tls: { cert, key } } });
    const { port } = running.gateway;
    const ca = readFileSync(caFile);

    const halfOpen = { port, host: "localhost", ca, allowHalfOpen: true };
    const secured = tls.connect(halfOpen as tls.ConnectionOptions);
    let received = "";
    secured.on("data", (piece: Buffer) => {
      received += piece.toString("latin1");
    });
    secured.end(withLength(classify, "image/jpeg", star));
    await once(secured, "close");

    const plain = net.connect({ port });
    plain.end(Buffer.of(0x16, 0x03, 0x01, 0x02));
    plain.on("error", () => {});
    const session = http2.connect(`https://localhost:${port}`, { ca });
    await once(session, "remoteSettings");
    session.socket.destroySoon();

    expect(received).toContain("arrow");
    await expect.poll(() => running.gateway.load().connections).toBe(0);
  });
});
