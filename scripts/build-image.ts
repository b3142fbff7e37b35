/**
 * Builds the product's own image without a daemon, as an OCI layout: `npm run image -- FOLDER`.
 *
 * It has the workspace's Node, the libraries that it and the product need of this machine, and the product as the lock
 * file lists it, pruned. It runs as another user than the owner of its files.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { buildImage, fileEntry, openLayout, type TarEntry } from "@tensorgate/oci-image";
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
  const system = await layout.addLayer(
    [
      ...systemLibraries([node, join(staged, "node_modules")]),
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
  const runtime = await layout.addLayer(
    [fileEntry("usr/bin/node", { file: node, byteCount: statSync(node).size, isExecutable: true })],
    { isCompressed },
  );
  const product = await layout.addLayer(entriesBelow(staged, "app"), { isCompressed });
  const image = await buildImage(layout, {
    tag: version,
    platform: { os: "linux", architecture: process.arch === "x64" ? "amd64" : process.arch },
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
  const layers = image.layers.map(({ size }) => `${(size / 1e6).toFixed(1)} MB`).join(" + ");
  process.stdout.write(
    `tensorgate:${version} ${image.manifest.digest} ${(image.byteCount / 1e6).toFixed(1)} MB (${layers}) in ${layout.folder}\n`,
  );
} finally {
  rmSync(staged, { recursive: true, force: true });
}
