import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { BlobServiceClient } from "@azure/storage-blob";
import { openRegistry, pullVersion, pushVersion, type Registry } from "@tensorgate/registry";
import { filesFrom } from "@tensorgate/registry/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

// Azure Blob Storage as Azurite has it, which npm installs into its own cache.

const cache = join(
  process.env["PEERS_HOME"] ?? join(homedir(), ".cache", "tensorgate-peers"),
  "azurite",
);
const azurite = join(cache, "node_modules/azurite/dist/src/blob/main.js");
const reason = await setUp();

/** @returns why Azurite is not there */
async function setUp(): Promise<string | undefined> {
  if (existsSync(azurite)) return undefined;
  const args = ["install", "--prefix", cache, "--ignore-scripts", "--no-audit", "--no-fund"];
  return promisify(execFile)("npm", [...args, "azurite@3.37.0"], { timeout: 200_000 }).then(
    () => undefined,
    (thrown: Error) => thrown.message.split("\n")[0],
  );
}

/** The account that Azurite has, with the key that its documentation gives. */
const account = "devstoreaccount1";
const key =
  "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

describe.skipIf(reason !== undefined)(`Azurite${reason ? ` (skipped: ${reason})` : ""}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-azurite-"));
  let child: ChildProcess;
  let env: NodeJS.ProcessEnv;
  let registry: Registry;
  let other: Registry;

  beforeAll(async () => {
    const args = [
      "--blobPort",
      "0",
      "--location",
      folder,
      "--skipApiVersionCheck",
      "--disableTelemetry",
    ];
    child = spawn(process.execPath, [azurite, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    let url = "";
    for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
      url = /listens? (?:at|on) (http:\S+)/.exec(line)?.[1] ?? "";
      if (url !== "") break;
    }
    child.stdout?.resume();
    const connection = `DefaultEndpointsProtocol=http;AccountName=${account};AccountKey=${key};BlobEndpoint=${url}/${account};`;
    env = { AZURE_STORAGE_CONNECTION_STRING: connection };
    await BlobServiceClient.fromConnectionString(connection).createContainer("models");
    registry = openRegistry(join(folder, "one"));
    other = openRegistry(join(folder, "two"));
    await registry.register("m", {
      from: filesFrom({ "model.onnx": "0123456789".repeat(100_000), "parts/empty.bin": "" }),
      tags: { a: "b" },
    });
  });
  afterAll(async () => {
    child.kill();
    await once(child, "exit");
    rmSync(folder, { recursive: true });
  });

  const target = `azblob://${account}/models/registry/m/1`;
  const push = () => pushVersion(registry, { reference: "m@1", target }, { deps: { env } });

  test("a version is pushed, and pulled as it was", async () => {
    expect(await push()).toMatchObject({ sentBytes: 1_000_000, presentBytes: 0 });
    expect(await push()).toMatchObject({ sentBytes: 0, presentBytes: 1_000_000 });

    const { version } = await pullVersion(other, target, { deps: { env } });

    expect(version).toMatchObject({ name: "m", version: 1n, tags: { a: "b" } });
    expect(version.forms).toEqual((await registry.version("m")).forms);
  });

  test("a path that another version has is refused", async () => {
    await push();
    await registry.register("n", { from: filesFrom({ "model.onnx": "another" }) });

    await expect(
      pushVersion(registry, { reference: "n", target }, { deps: { env } }),
    ).rejects.toThrow("holds another version");
  });

  test("a push that broke off is continued with the blocks that arrived", async () => {
    const bytes = Buffer.alloc(20_000_000, "abcdefg");
    await registry.register("big", {
      from: [{ path: "model.onnx", content: { kind: "bytes", bytes } }],
    });
    const request = { reference: "big", target: `azblob://${account}/models/registry/big/1` };
    const breaking = new AbortController();
    const broken = pushVersion(registry, request, {
      deps: { env },
      options: { signal: breaking.signal, onProgress: () => breaking.abort(new Error("cut")) },
    });
    await expect(broken).rejects.toThrow();

    const { sentBytes, presentBytes } = await pushVersion(registry, request, { deps: { env } });

    expect(presentBytes).toBeGreaterThanOrEqual(3_000_000);
    expect(sentBytes + presentBytes).toBe(bytes.length);
    const { version } = await pullVersion(other, request.target, { deps: { env } });
    expect(version.forms).toEqual((await registry.version("big")).forms);
  });

  test("two processes may push the same version at the same time", async () => {
    const twice = `azblob://${account}/models/registry/twice/1`;
    const pushed = () =>
      pushVersion(registry, { reference: "big", target: twice }, { deps: { env } });

    const results = await Promise.all([pushed(), pushed()]);

    expect(results.map(({ reference }) => reference)).toEqual([twice, twice]);
    const { version } = await pullVersion(other, twice, { deps: { env } });
    expect(version.forms).toEqual((await registry.version("big")).forms);
  });

  test("a container that is not there is reported", async () => {
    const absent = `azblob://${account}/absent/m/1`;

    await expect(
      pushVersion(registry, { reference: "m", target: absent }, { deps: { env } }),
    ).rejects.toThrow(/Azure Blob Storage answers 404/);
  });
});
