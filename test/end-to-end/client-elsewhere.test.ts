import { once } from "node:events";
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import net, { type AddressInfo } from "node:net";
import { type ClientError, ScoringClient } from "@tensorgate/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasOpenssl, testCertificates } from "../support/certificates.ts";

const answerPage =
  (status: number): http.RequestListener =>
  (_request, response) => {
    response.writeHead(status, { "content-type": "text/html" }).end("<h1>It works!</h1>");
  };

/** Whatever may be at a wrong address. */
const servers: Readonly<Record<string, net.Server>> = {
  page: http.createServer(answerPage(200)),
  missing: http.createServer(answerPage(404)),
  other: net.createServer((socket) => socket.end("SSH-2.0-OpenSSH_9.2\r\n")),
};

beforeAll(async () => {
  for (const server of Object.values(servers)) {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  }
});
afterAll(() => {
  for (const server of Object.values(servers)) server.close();
});

const portOf = (server: net.Server | undefined) =>
  (server?.address() as AddressInfo | undefined)?.port;

async function failureAt(baseUrl: string, transport: "connect" | "grpc"): Promise<ClientError> {
  await using client = new ScoringClient({ baseUrl, transport, maxRetries: 0 });
  return client.classify("m", Buffer.from("x")).then(
    () => expect.fail("there is no gateway"),
    (thrown: ClientError) => thrown,
  );
}

describe.each(["connect", "grpc"] as const)("over %s", (transport) => {
  test.each([
    { name: "other", what: "another protocol" },
    { name: "page", what: "a web server" },
    { name: "missing", what: "a web server that has no such page" },
  ])("$what fails the call, and ends no process", async ({ name }) => {
    const error = await failureAt(`http://127.0.0.1:${portOf(servers[name])}`, transport);

    expect(["upstream-failed", "upstream-answered"]).toContain(error.reason);
    expect(error.message).toMatch(
      /^classify\(m\): the (gateway cannot be reached|response is not from a gateway)/,
    );
    expect(error.hint).toBeTruthy();
  });

  test("plaintext where TLS is expected is reported", async () => {
    const error = await failureAt(`https://127.0.0.1:${portOf(servers["page"])}`, transport);

    expect(error).toMatchObject({
      reason: "upstream-failed",
      hint: expect.stringContaining("https"),
    });
  });

  test.runIf(hasOpenssl)("an untrusted certificate is reported", async () => {
    using files = testCertificates();
    const cert = readFileSync(files.serverCertFile);
    const key = readFileSync(files.serverKeyFile);
    const server = https.createServer({ cert, key }, answerPage(200)).listen(0, "127.0.0.1");
    await once(server, "listening");

    const error = await failureAt(`https://127.0.0.1:${portOf(server)}`, transport);

    expect(error.hint).toContain("NODE_EXTRA_CA_CERTS");
    server.close();
  });
});

test.each([
  { status: 413, reason: "too-large", attempts: 1 },
  { status: 429, reason: "quota-exceeded", attempts: 1 },
  { status: 500, reason: "upstream-failed", attempts: 2 },
  { status: 502, reason: "upstream-failed", attempts: 2 },
  { status: 504, reason: "deadline-exceeded", attempts: 1 },
])("a proxy's $status is $reason, tried $attempts times", async ({ status, reason, attempts }) => {
  const proxy = http.createServer(answerPage(status)).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const baseUrl = `http://127.0.0.1:${portOf(proxy)}`;
  await using client = new ScoringClient({ baseUrl, maxRetries: 1 });

  await expect(client.classify("m", Buffer.from("x"))).rejects.toMatchObject({
    reason,
    attempts,
    status,
    message: expect.stringContaining(`HTTP ${status}. Hint: `),
  });
  proxy.close();
});

test("a web server's answer is not asked for twice", async () => {
  const error = await failureAt(`http://127.0.0.1:${portOf(servers["page"])}`, "connect");

  expect(error).toMatchObject({ reason: "upstream-answered", retryable: false });
});
