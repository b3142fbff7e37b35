/**
 * Builds the product's own image without a daemon, as an OCI layout: `npm run image -- FOLDER`.
 *
 * It has the workspace's Node, the libraries that it and the product need of this machine, and the product as the lock
 * file lists it, pruned. It runs as another user than the owner of its files. Beside it are its bill of materials and its
 * provenance, as artifacts that refer to it.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import {
  attachArtifact,
  buildImage,
  fileEntry,
  openLayout,
  type TarEntry,
} from "@tensorgate/oci-image";
import { imageProvenance } from "./image/provenance.ts";
import { imageSbom } from "./image/sbom.ts";
import { entriesBelow, stageProduct, systemLibraries } from "./image/stage-product.ts";

const [target = "image"] = process.argv.slice(2);
const root = fileURLToPath(new URL("..", import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, "packages/cli/package.json"), "utf8")) as {
  readonly version: string;
};

const text = (path: string, content: string): TarEntry => ({
  kind: "file",
  path,
  byteCount: Buffer.byteLength(content),
  read: () => [Buffer.from(content)],
});

const program = (path: string, file: string): TarEntry =>
  fileEntry(path, { file, byteCount: statSync(file).size, isExecutable: true });

/** User and group of the process, by number, since Kubernetes asks for one (runAsNonRoot). */
const user = 1_000;

const staged = mkdtempSync(join(tmpdir(), "tensorgate-product-"));
try {
  const page = join(root, "packages/console/dist/page");
  statSync(page);
  execFileSync(process.execPath, [join(root, "node_modules/@typescript/native/bin/tsc"), "-b"], {
    cwd: root,
    stdio: "inherit",
  });
  stageProduct(root, staged);
  const node = realpathSync(process.execPath);
  const layout = openLayout(resolve(target));
  mkdirSync(layout.folder, { recursive: true });
  const isCompressed = true;
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  const libraries = systemLibraries([node, join(staged, "node_modules")]);
  const system = await layout.addLayer(
    [
      ...[...libraries].map(([path, file]) => program(path.slice(1), file)),
      text(
        "etc/passwd",
        `root:x:0:0:root:/:/sbin/nologin\nnode:x:${user}:${user}:node:/:/sbin/nologin\n`,
      ),
      text("etc/group", `root:x:0:\nnode:x:${user}:\n`),
      text("etc/nsswitch.conf", "hosts: files dns\n"),
      { kind: "folder", path: "tmp", isShared: true },
    ],
    { isCompressed },
  );
  const runtime = await layout.addLayer([program("usr/bin/node", node)], { isCompressed });
  const product = await layout.addLayer(entriesBelow(staged, "app"), { isCompressed });
  const image = await buildImage(layout, {
    tag: version,
    platform: { os: "linux", architecture },
    layers: [
      { ...system, createdBy: "libraries of the system" },
      { ...runtime, createdBy: `Node ${process.versions.node}` },
      { ...product, createdBy: `tensorgate ${version}` },
    ],
    labels: {
      "org.opencontainers.image.title": "tensorgate",
      "org.opencontainers.image.version": version,
      "org.opencontainers.image.licenses": "Apache-2.0",
    },
    config: {
      User: `${user}:${user}`,
      Env: [
        "PATH=/usr/bin",
        "NODE_ENV=production",
        "NODE_OPTIONS=--max-semi-space-size=8",
        "TENSORGATE_HOST=0.0.0.0",
        "TENSORGATE_LOG_FORMAT=json",
        "ORT_DISABLE_TELEMETRY=1",
      ],
      Entrypoint: ["/usr/bin/node", "/app/packages/cli/dist/main.js"],
      Cmd: ["serve", "--config", "/etc/tensorgate/tensorgate.yaml"],
      WorkingDir: "/app",
      ExposedPorts: { "8080/tcp": {}, "9090/tcp": {} },
      StopSignal: "SIGTERM",
    },
  });
  const { digest } = image.manifest;
  const documents = [
    {
      artifactType: "application/vnd.cyclonedx+json",
      title: `tensorgate-${version}.cdx.json`,
      content: imageSbom({ root, staged, version, node, libraries }),
    },
    {
      artifactType: "application/vnd.in-toto+json",
      title: `tensorgate-${version}.provenance.json`,
      content: imageProvenance({ root, version, digest, architecture, node }),
    },
  ];
  for (const { content, ...about } of documents) {
    const bytes = new TextEncoder().encode(content);
    await attachArtifact(layout, image.manifest, { ...about, bytes });
  }
  const layers = image.layers.map(({ size }) => `${(size / 1e6).toFixed(1)} MB`).join(" + ");
  process.stdout.write(
    `tensorgate:${version} ${digest} ${(image.byteCount / 1e6).toFixed(1)} MB (${layers}) in ${layout.folder}\n`,
  );
} finally {
  rmSync(staged, { recursive: true, force: true });
}
