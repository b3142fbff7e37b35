import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import https from "node:https";
import net from "node:net";
import tls from "node:tls";
import { createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { manualClock } from "@tensorgate/core/testing";
import { createGateway, systemClockAndRandom } from "@tensorgate/gateway";
import { ScoringService } from "@tensorgate/proto/tensorgate/v1/scoring";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasOpenssl, type TestCertificates, testCertificates } from "../support/certificates.ts";
import { samplePicture } from "../support/pictures.ts";
import { type RunningGateway, startShapesGateway } from "../support/running-gateway.ts";

const star = samplePicture("star");
const key = `tg_app_${"s".repeat(43)}`;
const keys = [{ id: "app", sha256: createHash("sha256").update(key).digest("hex"), models: ["*"] }];

let files: TestCertificates;
beforeAll(() => {
  if (hasOpenssl) files = testCertificates();
});
afterAll(() => files?.[Symbol.dispose]());

interface Answer {
  readonly status: number;
  readonly body: string;
}

function post(url: string, options: https.RequestOptions): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = https.request(`${url}/v1/classify/shapes`, {
      method: "POST",
      agent: false,
      ...options,
    });
    request.on("error", reject);
    request.on("response", (response) => {
      let body = "";
      response.on("data", (chunk) => {
        body += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
      response.on("error", reject);
    });
    request.end(star);
  });
}

const transports: readonly {
  readonly name: string;
  readonly make: (baseUrl: string, nodeOptions: object) => Transport;
}[] = [
  {
    name: "Connect over HTTP/1.1",
    make: (baseUrl, nodeOptions) =>
      createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions }),
  },
  {
    name: "Connect over HTTP/2",
    make: (baseUrl, nodeOptions) =>
      createConnectTransport({ baseUrl, httpVersion: "2", nodeOptions }),
  },
  { name: "gRPC", make: (baseUrl, nodeOptions) => createGrpcTransport({ baseUrl, nodeOptions }) },
  {
    name: "gRPC-Web",
    make: (baseUrl, nodeOptions) =>
      createGrpcWebTransport({ baseUrl, httpVersion: "1.1", nodeOptions }),
  },
];

const request = {
  modelSpec: { name: "shapes" },
  pictures: [{ source: { case: "data" as const, value: star } }],
};

describe.skipIf(!hasOpenssl)("with keys and TLS (skipped where openssl is missing)", () => {
  let running: RunningGateway;
  let ca: string;
  beforeAll(async () => {
    ca = readFileSync(files.caFile, "utf8");
    running = await startShapesGateway({
      listen: { port: 0, tls: { cert: files.serverCertFile, key: files.serverKeyFile } },
      keys,
    });
  });
  afterAll(() => running[Symbol.asyncDispose]());

  test("REST answers callers that present a key, and no others", async () => {
    expect(running.url).toMatch(/^https:/);

    const good = await post(running.url, { ca, headers: { authorization: `Bearer ${key}` } });
    const bad = await post(running.url, { ca });

    expect(good.status).toBe(200);
    expect(good.body).toContain('"label":"star"');
    expect(bad.status).toBe(401);
  });

  test.each(transports)(
    "$name answers callers that present a key, and no others",
    async ({ make }) => {
      const client = createClient(ScoringService, make(running.url, { ca }));

      const { results } = await client.classify(request, { headers: { "x-api-key": key } });

      expect(results[0]?.outcome.value).toMatchObject({
        labels: [{ label: "star" }, {}, {}, {}, {}],
      });
      await expect(client.classify(request)).rejects.toMatchObject({ code: 16 });
    },
  );

  test("plaintext on the TLS port is closed", async () => {
    const socket = net.connect(running.gateway.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    let received = "";
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
    });
    await once(socket, "close");

    expect(received).not.toContain("HTTP/1.1 200");
  });

  /** The code of the error that a handshake ends with, or what it agreed on. */
  async function handshake(options: tls.ConnectionOptions): Promise<string> {
    const socket = tls.connect({ port: running.gateway.port, ca, ...options });
    const failed = new Promise<string>((resolve) => {
      socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
    });
    const agreed = once(socket, "secureConnect").then(() => {
      const text = `${socket.getProtocol()} ${socket.getCipher().name}`;
      socket.destroy();
      return text;
    });
    agreed.catch(() => {});
    return Promise.race([failed, agreed]);
  }

  test.each(["TLSv1", "TLSv1.1"] as const)("%s is refused", async (version) => {
    const code = await handshake({
      minVersion: version,
      maxVersion: version,
      ciphers: "DEFAULT@SECLEVEL=0",
    });

    expect(code).toBe("ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION");
  });

  test.each([
    { name: "key exchange by RSA", ciphers: "AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA" },
    { name: "CBC", ciphers: "ECDHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA:ECDHE-ECDSA-AES128-SHA" },
    { name: "DHE", ciphers: "DHE-RSA-AES128-GCM-SHA256" },
  ])("$name is refused", async ({ ciphers }) => {
    const code = await handshake({ maxVersion: "TLSv1.2", ciphers: `${ciphers}@SECLEVEL=0` });

    expect(code).toMatch(/HANDSHAKE_FAILURE/);
  });

  test("TLS 1.2 is forward secret and authenticated, TLS 1.3 as it comes", async () => {
    expect(await handshake({ maxVersion: "TLSv1.2" })).toMatch(/^TLSv1\.2 ECDHE-.*(GCM|CHACHA20)/);
    expect(await handshake({})).toMatch(/^TLSv1\.3 TLS_/);
  });

  test("ALPN chooses between the two versions", async () => {
    const chosen = async (ALPNProtocols: string[]) => {
      const socket = tls.connect({ port: running.gateway.port, ca, ALPNProtocols });
      await once(socket, "secureConnect");
      const { alpnProtocol } = socket;
      socket.destroy();
      return alpnProtocol;
    };

    expect(await chosen(["h2", "http/1.1"])).toBe("h2");
    expect(await chosen(["http/1.1"])).toBe("http/1.1");
  });

  test("a handshake that breaks off leaves no connection behind", async () => {
    for (let count = 0; count < 20; count += 1) {
      const socket = net.connect(running.gateway.port, "127.0.0.1");
      socket.on("error", () => {});
      await once(socket, "connect");
      socket.write(Buffer.from("1603010200", "hex"));
      socket.destroy();
    }
    await expect.poll(() => running.gateway.load().connections).toBeLessThan(10);
  });
});

describe.skipIf(!hasOpenssl)("certificates (skipped where openssl is missing)", () => {
  test("with a client CA no client gets in without a certificate", async () => {
    const ca = readFileSync(files.caFile, "utf8");
    const { serverCertFile: cert, serverKeyFile, caFile: clientCa } = files;
    await using running = await startShapesGateway({
      listen: { port: 0, tls: { cert, key: serverKeyFile, clientCa } },
    });
    const identity = {
      cert: readFileSync(files.clientCertFile),
      key: readFileSync(files.clientKeyFile),
    };

    expect((await post(running.url, { ca, ...identity })).status).toBe(200);
    await expect(post(running.url, { ca })).rejects.toThrow();
    // Nor over HTTP/2: the handshake of TLS 1.3 looks done to the caller until the alert comes.
    const socket = tls.connect({ port: running.gateway.port, ca, ALPNProtocols: ["h2"] });
    const [error] = (await once(socket, "error")) as [Error];
    expect(error.message).toContain("certificate required");
  });

  test("a certificate that was renewed is taken, a broken one is not", async () => {
    const clock = manualClock();
    using own = testCertificates();
    const ca = readFileSync(own.caFile, "utf8");
    const news: { readonly file: string; readonly error?: Error }[] = [];
    const gateway = createGateway(
      {
        listen: { port: 0, tls: { cert: own.serverCertFile, key: own.serverKeyFile } },
        models: [{ name: "m" }],
        pools: [{ model: "m", region: "r", replicas: ["127.0.0.1:1"] }],
      },
      {
        clockAndRandom: { ...systemClockAndRandom, clock },
        onCertificates: (each) => news.push(each),
      },
    );
    await gateway.listen();
    const served = async () => {
      const socket = tls.connect({ port: gateway.port, ca });
      await once(socket, "secureConnect");
      const name = socket.getPeerCertificate().subject.CN;
      socket.destroy();
      return name;
    };
    try {
      expect(await served()).toBe("first");

      own.renewServer("second");
      clock.advance(30_000);
      expect(await served()).toBe("second");

      writeFileSync(own.serverKeyFile, "no key");
      clock.advance(30_000);
      expect(await served()).toBe("second");
      expect(news).toEqual([
        { file: own.serverCertFile },
        { file: own.serverCertFile, error: expect.any(Error) },
      ]);
    } finally {
      const closed = gateway.close(0);
      clock.advance(1);
      await closed;
    }
  });

  test("a file that is missing is reported with its name", () => {
    const options = {
      listen: { port: 0, tls: { cert: "/nowhere/cert.pem", key: "/nowhere/key.pem" } },
      models: [{ name: "m" }],
      pools: [{ model: "m", region: "r", replicas: ["127.0.0.1:1"] }],
    };

    expect(() => createGateway(options)).toThrow(/\/nowhere\/cert\.pem/);
  });
});
