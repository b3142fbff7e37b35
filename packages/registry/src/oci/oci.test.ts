import { readdirSync, readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { manualClock } from "@tensorgate/core/testing";
import type { Credentials } from "@tensorgate/oci-image";
import { digestOf, type FakeRegistry, startFakeRegistry } from "@tensorgate/oci-image/testing";
import { beforeEach, describe, expect, test } from "vitest";
import { openRegistry, type Registry } from "../registry.ts";
import { type PullOptions, pullVersion, pushVersion } from "../remote/transfer.ts";
import type { Progress } from "../staging.ts";
import { filesFrom, quickChanges, temporaryFolder } from "../testing.ts";

const weights = "0123456789".repeat(100);
const model = filesFrom({
  "model.onnx": weights,
  "manifest.json": "{}",
  "parts/empty.bin": "",
});

let fake: FakeRegistry;
let registry: Registry;
let other: Registry;
let credentials: Credentials | undefined;
let asked: string[];
/** Waits that were asked of the clock, in milliseconds. No test waits. */
let waits: number[];

beforeEach(async ({ onTestFinished }) => {
  const folder = temporaryFolder();
  fake = await startFakeRegistry();
  onTestFinished(async () => {
    await fake[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });
  registry = openRegistry(join(folder.path, "one"), { changes: quickChanges });
  other = openRegistry(join(folder.path, "two"), { changes: quickChanges });
  credentials = undefined;
  asked = [];
  waits = [];
  await registry.register("m", { from: model, description: "of birds", tags: { team: "vision" } });
});

const clock = {
  ...manualClock(),
  setTimer: (delayMs: number, wake: () => void) => {
    // The time limit of a request, which none reaches here.
    if (delayMs === 60_000) return { [Symbol.dispose]: () => {} };
    waits.push(delayMs);
    setImmediate(wake);
    return { [Symbol.dispose]: () => {} };
  },
};
const deps = {
  clock,
  random: () => 1,
  findCredentials: async (host: string) => {
    asked.push(host);
    return credentials;
  },
};

const push = (tag = "1") =>
  pushVersion(
    registry,
    { reference: "m@1", target: `oci://${fake.host}/models/m:${tag}` },
    { options: { oci: { chunkBytes: 300 } }, deps },
  );
const pull = (tag = "1", options: PullOptions = {}) =>
  pullVersion(other, `oci://${fake.host}/models/m:${tag}`, { options, deps });

/** Makes the fake answer the requests that match, as often as said. */
function answerInstead(
  pattern: RegExp,
  count: number,
  answer: (response: ServerResponse) => void,
): void {
  let left = count;
  fake.intercept = (request, response) => {
    if (left === 0 || !pattern.test(`${request.method} ${request.url}`)) return false;
    left -= 1;
    answer(response);
    return true;
  };
}

/**
 * Sends a part of the weights, and ends the connection when the client has kept it: what arrives together with the end
 * may be lost.
 */
function breakingOff() {
  let broken: ServerResponse | undefined;
  return {
    send: (response: ServerResponse) => {
      broken = response.writeHead(200, { "content-length": String(weights.length) });
      response.write(weights.slice(0, 400));
    },
    onProgress: ({ doneBytes }: Progress) => {
      // The manifest of two bytes is the file before.
      if (doneBytes === 402) broken?.destroy();
    },
  };
}

test("a version that is pushed is pulled as it was, with its number, description and tags", async () => {
  const pushed = await push();
  const { version, isPresent } = await pull();

  expect(isPresent).toBe(false);
  expect(version).toMatchObject({
    name: "m",
    version: 1n,
    description: "of birds",
    tags: { team: "vision" },
    source: `oci://${fake.host}/models/m@${pushed.digest}`,
  });
  expect(version.forms).toEqual((await registry.version("m")).forms);
  expect(readdirSync(join(other.directory, ".downloads"))).toEqual([]);
});

test("the artifact has the media types of ModelPack, and titles that ORAS reads", async () => {
  const { digest = "" } = await push();

  const manifest = JSON.parse(String(fake.manifests.get(digest)));
  expect(manifest).toMatchObject({
    schemaVersion: 2,
    artifactType: "application/vnd.cncf.model.manifest.v1+json",
    config: { mediaType: "application/vnd.cncf.model.config.v1+json" },
    layers: [
      {
        mediaType: "application/vnd.cncf.model.weight.config.v1.raw",
        size: 2,
        annotations: { "org.opencontainers.image.title": "manifest.json" },
      },
      {
        mediaType: "application/vnd.cncf.model.weight.v1.raw",
        digest: digestOf(Buffer.from(weights)),
        annotations: {
          "org.cncf.model.filepath": "model.onnx",
          "org.opencontainers.image.title": "model.onnx",
        },
      },
      { size: 0 },
    ],
  });
  expect(digestOf(fake.manifests.get("1") ?? Buffer.alloc(0))).toBe(digest);
});

test("what is there is not sent again, and the same version gives the same digest", async () => {
  const first = await push();
  fake.requests.length = 0;

  const second = await push("champion");

  expect(second.digest).toBe(first.digest);
  expect(second).toMatchObject({ sentBytes: 0, presentBytes: weights.length + 2 });
  expect(fake.requests.filter((request) => /^(POST|PATCH)/.test(request))).toEqual([]);
});

test("a version that is here already is not registered twice", async () => {
  await push();
  await pull();

  expect(await pull()).toMatchObject({ isPresent: true, version: { version: 1n } });
  expect((await other.model("m")).versions).toEqual([1n]);
});

test("a version whose number is taken here gets the next one; another name can be given", async () => {
  await push();
  await other.register("m", { from: filesFrom({ "model.onnx": "another" }) });

  expect((await pull()).version.version).toBe(2n);
  expect((await pull("1", { name: "n" })).version).toMatchObject({ name: "n", version: 1n });
});

test("an artifact of ORAS, which knows only titles, is pulled by the name of its repository", async () => {
  const bytes = Buffer.from("onnx");
  fake.blobs.set(digestOf(bytes), bytes);
  const layer = {
    digest: digestOf(bytes),
    size: bytes.length,
    annotations: { "org.opencontainers.image.title": "model.onnx" },
  };
  fake.manifests.set("latest", Buffer.from(JSON.stringify({ layers: [layer] })));

  const { version } = await pull("latest");

  expect(version).toMatchObject({ name: "m", version: 1n });
  expect(readFileSync(join(version.folder, "model.onnx"), "utf8")).toBe("onnx");
});

describe("a registry that asks who calls", () => {
  const bearer = (response: ServerResponse) =>
    response
      .writeHead(401, {
        "www-authenticate": `Bearer realm="http://${fake.host}/token",service="r",scope="repository:models/m:pull,push"`,
      })
      .end();

  test("gets a token for the credentials of the host", async () => {
    credentials = { kind: "password", user: "me", password: "secret" };
    const tokens: (string | undefined)[] = [];
    fake.intercept = (request, response) => {
      if (request.url?.startsWith("/token?")) {
        tokens.push(request.headers.authorization, request.url);
        response.end(JSON.stringify({ token: "T" }));
        return true;
      }
      if (request.headers.authorization === "Bearer T") return false;
      bearer(response);
      return true;
    };

    await push();

    expect(asked).toEqual([fake.host]);
    expect(tokens).toEqual([
      `Basic ${Buffer.from("me:secret").toString("base64")}`,
      "/token?service=r&scope=repository%3Amodels%2Fm%3Apull%2Cpush",
    ]);
  });

  test("gets a token for an identity token by OAuth 2", async () => {
    credentials = { kind: "identity-token", token: "refresh" };
    let body = "";
    fake.intercept = (request, response) => {
      if (request.url === "/token") {
        void request.toArray().then((pieces) => {
          body = Buffer.concat(pieces).toString();
          response.end(JSON.stringify({ access_token: "T" }));
        });
        return true;
      }
      if (request.headers.authorization === "Bearer T") return false;
      bearer(response);
      return true;
    };

    await push();

    expect(Object.fromEntries(new URLSearchParams(body))).toMatchObject({
      grant_type: "refresh_token",
      refresh_token: "refresh",
      scope: "repository:models/m:pull,push",
    });
  });

  test("gets a user and a password by Basic", async () => {
    credentials = { kind: "password", user: "me", password: "s" };
    fake.intercept = (request, response) => {
      if (request.headers.authorization?.startsWith("Basic ")) return false;
      response.writeHead(401, { "www-authenticate": 'Basic realm="r"' }).end();
      return true;
    };

    expect((await push()).sentBytes).toBe(weights.length + 2);
  });

  test("gets a new token when the old one has expired", async () => {
    let valid = 0;
    fake.intercept = (request, response) => {
      if (request.url?.startsWith("/token")) {
        valid += 1;
        response.end(JSON.stringify({ token: String(valid) }));
        return true;
      }
      const isLate = request.method === "PUT" && valid === 1;
      if (request.headers.authorization === `Bearer ${valid}` && !isLate) return false;
      const realm = `Bearer realm="http://${fake.host}/token",error="invalid_token"`;
      response.writeHead(401, { "www-authenticate": realm }).end();
      return true;
    };

    await push();

    expect(valid).toBe(2);
  });

  test.each([401, 403])("is reported with what to do if it answers %i", async (status) => {
    credentials = { kind: "password", user: "me", password: "wrong" };
    answerInstead(/./, -1, (response) =>
      response.writeHead(status, { "www-authenticate": 'Basic realm="r"' }).end(),
    );

    await expect(push()).rejects.toThrow(`docker login ${fake.host}`);
  });

  test("is reported if its token server refuses", async () => {
    fake.intercept = (request, response) => {
      if (request.url?.startsWith("/token")) response.writeHead(403).end();
      else bearer(response);
      return true;
    };

    await expect(push()).rejects.toThrow("its token server answers 403");
  });
});

describe("a registry that fails", () => {
  test("is asked again after the time that it gives", async () => {
    answerInstead(/^PATCH/, 1, (response) => response.writeHead(429, { "retry-after": "7" }).end());

    await push();

    expect(waits).toEqual([7_000]);
  });

  test("is given up if it asks for too long a wait", async () => {
    answerInstead(/^HEAD/, 1, (response) =>
      response.writeHead(429, { "retry-after": "3600" }).end(),
    );

    await expect(push()).rejects.toThrow(/answers 429; it asks to wait 3600 s, try again then/);
  });

  test("is given up after five attempts", async () => {
    answerInstead(/./, -1, (response) => response.writeHead(503).end());

    await expect(push()).rejects.toThrow(/answers 503 \(5 attempts\)/);
    expect(waits).toEqual([500, 1_000, 2_000, 4_000]);
  });

  test("an upload that breaks off is continued where the registry has it", async () => {
    let isBroken = false;
    fake.intercept = (request) => {
      if (request.method === "PATCH" && !isBroken) {
        request.once("data", () => {
          isBroken = true;
          request.destroy();
        });
      }
      return false;
    };

    await push();

    expect(isBroken).toBe(true);
    expect(fake.blobs.get(digestOf(Buffer.from(weights)))).toEqual(Buffer.from(weights));
  });

  test("an upload that was given up is continued by the next push", async () => {
    let isDown = false;
    const sent: (string | undefined)[] = [];
    fake.intercept = ({ method, headers }, response) => {
      if (isDown) {
        response.writeHead(503).end();
        return true;
      }
      if (method === "PATCH") isDown = sent.push(headers["content-range"]) === 2;
      return false;
    };
    await expect(push()).rejects.toThrow("5 attempts");
    isDown = false;
    expect(sent).toEqual(["0-1", "0-299"]);
    const progress: number[] = [];

    await pushVersion(
      registry,
      { reference: "m@1", target: `oci://${fake.host}/models/m:1` },
      {
        options: {
          oci: { chunkBytes: 300 },
          onProgress: ({ doneBytes }) => progress.push(doneBytes),
        },
        deps,
      },
    );

    expect(sent.slice(2)).toEqual(["300-599", "600-899", "900-999"]);
    expect(progress.at(-1)).toBe(1_002);
    expect(fake.blobs.get(digestOf(Buffer.from(weights)))).toEqual(Buffer.from(weights));
    expect(readdirSync(join(registry.directory, ".uploads"))).toEqual([]);
  });

  test("an upload that the registry has forgotten begins again", async () => {
    let isDown = false;
    let hasForgotten = false;
    const sent: (string | undefined)[] = [];
    fake.intercept = ({ method, url = "", headers }, response) => {
      const isUnknown = hasForgotten && method === "GET" && url.includes("/blobs/uploads/");
      if (isDown || isUnknown) {
        response.writeHead(isDown ? 503 : 404).end();
        return true;
      }
      if (method === "PATCH") isDown = sent.push(headers["content-range"]) === 2;
      return false;
    };
    await expect(push()).rejects.toThrow("5 attempts");
    isDown = false;
    hasForgotten = true;

    await push();

    expect(sent.slice(2, 4)).toEqual(["0-299", "300-599"]);
  });

  test("a download that breaks off is continued, in the same pull", async () => {
    await push();
    const digest = digestOf(Buffer.from(weights));
    const ranges: (string | undefined)[] = [];
    const breaking = breakingOff();
    fake.intercept = (request, response) => {
      if (!request.url?.endsWith(`/blobs/${digest}`)) return false;
      ranges.push(request.headers.range);
      if (ranges.length > 1) return false;
      breaking.send(response);
      return true;
    };

    await pull("1", { onProgress: breaking.onProgress });

    expect(ranges).toEqual([undefined, "bytes=400-"]);
  });

  test("a download that was given up is continued by the next pull", async () => {
    await push();
    const digest = digestOf(Buffer.from(weights));
    const breaking = breakingOff();
    let isDown = true;
    let range: string | undefined;
    fake.intercept = (request, response) => {
      if (!request.url?.endsWith(`/blobs/${digest}`)) return false;
      range = request.headers.range;
      if (!isDown) return false;
      if (range !== undefined) response.destroy();
      else breaking.send(response);
      return true;
    };
    await expect(pull("1", { onProgress: breaking.onProgress })).rejects.toThrow("5 attempts");
    isDown = false;

    await pull();

    expect(range).toBe("bytes=400-");
  });

  test("a blob with another digest is refused, and not continued", async () => {
    await push();
    const digest = digestOf(Buffer.from(weights));
    fake.blobs.set(digest, Buffer.from("x".repeat(1_000)));

    await expect(pull()).rejects.toThrow(`not ${digest}`);
    fake.blobs.set(digest, Buffer.from(weights));

    expect((await pull()).version.version).toBe(1n);
  });

  test("a blob that is longer than the manifest says is refused", async () => {
    await push();
    fake.blobs.set(digestOf(Buffer.from(weights)), Buffer.from("x".repeat(2_000)));

    await expect(pull()).rejects.toThrow("sends more than the 1000 bytes");
  });

  test("a manifest with another digest than asked for is refused", async () => {
    const { digest = "" } = await push();
    fake.manifests.set(digest, Buffer.from("{}"));
    const source = `oci://${fake.host}/models/m@${digest}`;

    await expect(pullVersion(other, source, { deps })).rejects.toThrow(`not ${digest}`);
  });

  test("an unknown tag is reported", async () => {
    await expect(pull("absent")).rejects.toThrow(
      /pull absent from .*models\/m: 404 manifest unknown/,
    );
  });

  test.each<{ name: string; manifest: unknown; says: string }>([
    { name: "is no JSON", manifest: "<html>", says: "not valid JSON" },
    { name: "has no layers", manifest: { layers: [] }, says: "it has no layers" },
    {
      name: "is an image",
      manifest: { layers: [{ digest: digestOf(Buffer.from("")), size: 0 }] },
      says: "it may be an image",
    },
    {
      name: "leaves the folder",
      manifest: {
        layers: [
          {
            digest: digestOf(Buffer.from("")),
            size: 0,
            annotations: { "org.opencontainers.image.title": "../../etc/passwd" },
          },
        ],
      },
      says: 'a file is called "../../etc/passwd"',
    },
    {
      name: "has another algorithm",
      manifest: { layers: [{ digest: "md5:1", size: 1 }] },
      says: "expected sha256",
    },
  ])("a manifest that $name is refused", async ({ manifest, says }) => {
    const text = typeof manifest === "string" ? manifest : JSON.stringify(manifest);
    fake.manifests.set("1", Buffer.from(text));

    await expect(pull()).rejects.toThrow(says);
  });
});
