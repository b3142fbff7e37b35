import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { manualClock } from "@tensorgate/core/testing";
import { beforeEach, expect, test } from "vitest";
import { parseOciReference } from "../distribution/oci-reference.ts";
import { type FakeRegistry, startFakeRegistry, temporaryFolder } from "../testing.ts";
import { attachArtifact } from "./attach-artifact.ts";
import { openBaseImage } from "./base-image.ts";
import { type BuiltImage, buildImage } from "./build-image.ts";
import { documentBytes } from "./documents.ts";
import { type Layout, openLayout } from "./layout.ts";
import type { TarEntry } from "./tar.ts";
import { completeLayout, pushImage } from "./transfer-image.ts";

const platform = { os: "linux", architecture: "amd64" };
let fake: FakeRegistry;
let folder: string;

beforeEach(async ({ onTestFinished }) => {
  const temporary = temporaryFolder();
  folder = temporary.path;
  fake = await startFakeRegistry();
  onTestFinished(async () => {
    await fake[Symbol.asyncDispose]();
    temporary[Symbol.dispose]();
  });
});

const deps = {
  clock: manualClock(),
  random: () => 1,
  nowMs: () => 0,
  fetch,
  findCredentials: async () => undefined,
};

const file = (path: string, text: string): TarEntry => ({
  kind: "file",
  path,
  byteCount: text.length,
  read: () => [Buffer.from(text)],
});

async function built(
  name: string,
  {
    entries,
    ...options
  }: Partial<Parameters<typeof buildImage>[1]> & {
    readonly entries: readonly TarEntry[];
  },
): Promise<{ readonly layout: Layout; readonly image: BuiltImage }> {
  const layout = openLayout(join(folder, name));
  const layer = {
    ...(await layout.addLayer(entries)),
    createdBy: `layer of ${name.replace(/one|two/, "m")}`,
  };
  const image = await buildImage(layout, { tag: "1", platform, layers: [layer], ...options });
  return { layout, image };
}

const push = (given: { readonly layout: Layout; readonly image: BuiltImage }, repository: string) =>
  pushImage(given, parseOciReference(`oci://${fake.host}/${repository}:1`), { options: {}, deps });

const json = async (layout: Layout, digest: string) =>
  JSON.parse(Buffer.from(await layout.readBlob(digest)).toString());

const base = () =>
  built("base", {
    entries: [file("app/main.js", "run()")],
    config: { Entrypoint: ["node"], User: "1000", Env: ["A=b"] },
    labels: { vendor: "us" },
  });

test("two builds give one digest, whatever the order of files and labels", async () => {
  const files = [file("models/m/1/model.onnx", "onnx"), file("models/m/1/manifest.json", "{}")];

  const one = await built("one", { entries: files, labels: { a: "1", b: "2" } });
  const two = await built("two", { entries: files.toReversed(), labels: { b: "2", a: "1" } });

  expect(two.image.manifest).toEqual(one.image.manifest);
  expect(await json(one.layout, one.image.config.digest)).toMatchObject({
    created: "1970-01-01T00:00:00Z",
    config: { Labels: { a: "1", b: "2" } },
    rootfs: { diff_ids: [one.image.layers[0]?.digest] },
  });
  // Known to the file system as well: nothing unfinished is left.
  expect(readdirSync(join(folder, "one", "blobs", "sha256"))).toHaveLength(3);
});

test("a compressed layer has the digest of its tar in the configuration", async () => {
  const layout = openLayout(join(folder, "compressed"));
  const entries = [file("a", "a".repeat(10_000))];

  const packed = await layout.addLayer(entries, { isCompressed: true });
  const plain = await layout.addLayer(entries);

  expect(packed.diffId).toBe(plain.digest);
  expect(packed.size).toBeLessThan(plain.size / 10);
  expect(packed.mediaType).toContain("+gzip");
});

test("layers are put on a base of the same registry, whose layers are mounted", async () => {
  const pushedBase = await base();
  await push(pushedBase, "base");
  const opened = await openBaseImage(`${fake.host}/base:1`, { platform }, deps);
  fake.blobs.delete(pushedBase.image.config.digest);
  fake.intercept = (request, response) => {
    // Another repository: it has nothing until it is mounted or uploaded.
    if (request.method !== "HEAD" || !request.url?.startsWith("/v2/shop/")) return false;
    response.writeHead(404).end();
    return true;
  };
  const model = await built("model", {
    entries: [file("models/m/1/model.onnx", "onnx")],
    base: opened,
    config: { Cmd: ["model-server"] },
    labels: { team: "vision" },
  });

  const pushed = await push(model, "shop");

  const baseBytes = pushedBase.image.byteCount;
  expect(pushed).toMatchObject({
    mountedBytes: baseBytes,
    sentBytes: model.image.byteCount - baseBytes,
    presentBytes: 0,
  });
  expect(await json(model.layout, model.image.config.digest)).toMatchObject({
    config: {
      Entrypoint: ["node"],
      User: "1000",
      Cmd: ["model-server"],
      Labels: { team: "vision", vendor: "us" },
    },
    rootfs: { diff_ids: [expect.any(String), expect.any(String)] },
    history: [{ created_by: "layer of base" }, { created_by: "layer of model" }],
  });
  expect(fake.manifests.has(pushed.digest)).toBe(true);
});

test("a base elsewhere is brought, into the registry and into the layout", async () => {
  const there = await base();
  const opened = await openBaseImage(there.layout.folder, { platform }, deps);
  const model = await built("model", { entries: [file("a", "b")], base: opened });

  await completeLayout(model.layout, model.image);
  const pushed = await push(model, "shop");
  const again = await push(model, "shop");

  const digest = there.image.layers[0]?.digest ?? "";
  expect(await model.layout.hasBlob(digest)).toBe(true);
  expect(fake.blobs.has(digest)).toBe(true);
  expect(pushed.sentBytes).toBe(model.image.byteCount);
  expect(again).toMatchObject({ sentBytes: 0, digest: pushed.digest });
});

test("the image of the platform is chosen from an index", async () => {
  const { image } = await base();
  await push(await base(), "base");
  const index = documentBytes({
    schemaVersion: 2,
    manifests: [
      {
        ...image.manifest,
        digest: `sha256:${"0".repeat(64)}`,
        platform: { os: "linux", architecture: "arm64" },
      },
      { ...image.manifest, platform },
    ],
  });
  fake.manifests.set("multi", Buffer.from(index));

  const opened = await openBaseImage(`oci://${fake.host}/base:multi`, { platform }, deps);

  expect(opened.manifest.layers).toEqual(image.layers);
  const other = { platform: { os: "linux", architecture: "riscv64" } };
  await expect(openBaseImage(`${fake.host}/base:multi`, other, deps)).rejects.toThrow(
    "no image for linux/riscv64; it has linux/arm64, linux/amd64",
  );
});

test("what is no image is refused with the reason", async () => {
  const empty = join(folder, "nothing");
  await expect(openBaseImage(empty, { platform }, deps)).rejects.toThrow("it has no index.json");
  const { layout } = await base();
  const other = { platform: { os: "linux", architecture: "arm64" } };
  await expect(openBaseImage(layout.folder, other, deps)).rejects.toThrow(
    "no image for linux/arm64; it has linux/amd64",
  );
  writeFileSync(join(layout.folder, "index.json"), "{");
  await expect(openBaseImage(layout.folder, { platform }, deps)).rejects.toThrow("not valid JSON");
  fake.manifests.set("model", Buffer.from('{"layers":[{"digest":"md5:1"}]}'));
  await expect(openBaseImage(`${fake.host}/base:model`, { platform }, deps)).rejects.toThrow(
    /manifest of .*base:model is not one of an image: config/,
  );
});

test("documents about an image refer to it, and are no images themselves", async () => {
  const { layout, image } = await base();
  const artifact = {
    artifactType: "application/vnd.cyclonedx+json",
    bytes: Buffer.from("{}"),
    title: "m.cdx.json",
  };

  const first = await attachArtifact(layout, image.manifest, artifact);
  const again = await attachArtifact(layout, image.manifest, artifact);

  expect(again).toEqual(first);
  expect(await json(layout, first.digest)).toMatchObject({
    artifactType: "application/vnd.cyclonedx+json",
    config: { mediaType: "application/vnd.oci.empty.v1+json", size: 2 },
    layers: [{ size: 2, annotations: { "org.opencontainers.image.title": "m.cdx.json" } }],
    subject: image.manifest,
  });
  const index = JSON.parse(readFileSync(join(layout.folder, "index.json"), "utf8"));
  expect(index.manifests.map(({ digest }: { digest: string }) => digest)).toEqual([
    image.manifest.digest,
    first.digest,
  ]);
  expect((await layout.images()).map(({ digest }) => digest)).toEqual([image.manifest.digest]);
  const opened = await openBaseImage(layout.folder, { platform }, deps);
  expect(opened.manifest.layers).toEqual(image.layers);
});
