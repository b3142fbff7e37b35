import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createGateway, type PoolOptions } from "@tensorgate/gateway";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasOpenssl, type TestCertificates, testCertificates } from "../support/certificates.ts";
import { type FakeReplica, startFakeReplica } from "../support/fake-replica.ts";
import { samplePicture } from "../support/pictures.ts";
import { shapesModel } from "../support/running-gateway.ts";

let files: TestCertificates;
beforeAll(() => {
  if (hasOpenssl) files = testCertificates();
});
afterAll(() => files?.[Symbol.dispose]());

const star = samplePicture("star");

async function gatewayTo(replica: FakeReplica, pool: Partial<PoolOptions>) {
  const gateway = createGateway({
    listen: { port: 0 },
    models: [shapesModel()],
    pools: [{ model: "shapes", region: "r", replicas: [replica.address], ...pool }],
  });
  await gateway.listen();
  return {
    gateway,
    post: (headers: Record<string, string> = {}) =>
      fetch(`${gateway.url}/v1/classify/shapes`, { method: "POST", headers, body: star }),
    [Symbol.asyncDispose]: () => gateway.close(0),
  };
}

function testFolder() {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-key-"));
  return { folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

const secure = (asksForCertificate = false) =>
  startFakeReplica({
    tls: {
      cert: readFileSync(files.serverCertFile),
      key: readFileSync(files.serverKeyFile),
      ...(asksForCertificate && { ca: readFileSync(files.caFile), requestCert: true }),
    },
  });

describe.skipIf(!hasOpenssl)("TLS to replicas (skipped where openssl is missing)", () => {
  test("a replica whose certificate the CA signed is spoken to", async () => {
    await using replica = await secure();
    await using to = await gatewayTo(replica, { tls: { ca: files.caFile } });
    await to.gateway.ready();

    const answer = to.post();
    const call = await replica.nextPredict();
    call.answer(3, "seen");

    expect(call.stream.session?.encrypted).toBe(true);
    expect((await answer).status).toBe(400);
  });

  test.each([
    { name: "nobody we trust signed", tls: () => ({}) },
    { name: "is for another name", tls: () => ({ ca: files.caFile, serverName: "other.test" }) },
  ])("a replica whose certificate $name gets no picture", async ({ tls }) => {
    await using replica = await secure();
    await using to = await gatewayTo(replica, { tls: tls() });

    const response = await to.post();
    const text = await response.text();

    expect(response.status).toBe(503);
    expect(text).not.toContain(replica.address);
    expect(replica.predictCount()).toBe(0);
  });

  test("mutual TLS: the replica sees our certificate, and rejects clients without one", async () => {
    await using replica = await secure(true);
    const { caFile: ca, clientCertFile: cert, clientKeyFile: key } = files;
    await using known = await gatewayTo(replica, { tls: { ca, cert, key } });
    await using unknown = await gatewayTo(replica, { tls: { ca } });
    await known.gateway.ready();

    const answer = known.post();
    (await replica.nextPredict()).answer(3);

    expect((await answer).status).toBe(400);
    expect((await unknown.post()).status).toBe(503);
  });
});

describe("keys to replicas", () => {
  test("the gateway's key is sent and the caller's is not; a new one holds from the next connection on", async () => {
    using own = testFolder();
    const file = join(own.folder, "key.txt");
    writeFileSync(file, "first\n");
    await using replica = await startFakeReplica();
    await using to = await gatewayTo(replica, { key: { file } });
    await to.gateway.ready();

    const first = to.post({ authorization: "Bearer of-the-caller", "x-api-key": "of-the-caller" });
    const { headers, stream, answer } = await replica.nextPredict();
    const { session } = stream;
    answer(3);
    const response = await first;

    expect(headers.authorization).toBe("Bearer first");
    expect(JSON.stringify(headers)).not.toContain("of-the-caller");
    expect(JSON.stringify([...response.headers]) + (await response.text())).not.toContain("first");

    writeFileSync(file, "second\n");
    session?.destroy();
    await expect
      .poll(async () => {
        const again = to.post();
        const next = await Promise.race([replica.nextPredict(), again]);
        if (!("stream" in next)) return undefined;
        next.answer(3);
        await again;
        return next.headers.authorization;
      })
      .toBe("Bearer second");
  });

  test("a replica that refuses the gateway's key is the gateway's trouble, not the caller's", async () => {
    await using replica = await startFakeReplica();
    await using to = await gatewayTo(replica, {});
    await to.gateway.ready();

    const answer = to.post();
    (await replica.nextPredict()).answer(16, "who are you");

    expect((await answer).status).toBe(502);
  });

  test("a key may have its own header", async () => {
    using own = testFolder();
    const file = join(own.folder, "key.txt");
    writeFileSync(file, "secret");
    await using replica = await startFakeReplica();
    await using to = await gatewayTo(replica, { key: { file, header: "x-api-key" } });
    await to.gateway.ready();

    const answer = to.post();
    const call = await replica.nextPredict();
    call.answer(3);
    await answer;

    expect(call.headers["x-api-key"]).toBe("secret");
    expect(call.headers.authorization).toBeUndefined();
  });

  const pool = { model: "shapes", region: "r", replicas: ["127.0.0.1:1"] };
  test.each([
    {
      name: "a variable that is not set",
      add: { key: { env: "TENSORGATE_TEST_NO_SUCH" } },
      message: "pools[0].key: the environment variable TENSORGATE_TEST_NO_SUCH is not set",
    },
    {
      name: "a file that is not there",
      add: { key: { file: "/nowhere/key" } },
      message: "pools[0].key: ENOENT",
    },
    {
      name: "a CA that is not there",
      add: { tls: { ca: "/nowhere/ca.pem" } },
      message: "pools[0].tls.ca: ENOENT",
    },
    {
      name: "a certificate without its key",
      add: { tls: { cert: "c.pem" } },
      message: "set both cert and key",
    },
    {
      name: "a header that is the call's own",
      add: { key: { env: "PATH", header: "grpc-timeout" } },
      message: "the gateway sets that header",
    },
    {
      name: "both env and file",
      add: { key: { env: "A", file: "b" } },
      message: "one of env, file and value",
    },
    {
      name: "a key over plaintext",
      add: { key: { env: "PATH" }, replicas: ["10.0.0.4:80"] },
      message: "in plaintext",
    },
  ])("$name is told at the start", ({ add, message }) => {
    const build = () =>
      createGateway({ listen: { port: 0 }, models: [shapesModel()], pools: [{ ...pool, ...add }] });

    expect(build).toThrow(message);
  });
});
