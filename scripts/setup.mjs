// Makes a fresh clone ready to run, and does nothing quickly where it already is. Plain JavaScript: it runs on
// whatever Node the machine has, before the one that the project pins is there.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const marker = join(root, "node_modules", ".tensorgate-setup");
const lock = join(root, ".setup-lock");
/** A lock older than this was left by a run that was killed, in milliseconds. */
const staleLockMs = 15 * 60_000;

/** The page as built, and what it is built from. */
const page = join(root, "packages", "console", "dist", "page");
const pageMarker = join(page, ".built-from");
const pageSources = [
  ...[
    "packages/console/page",
    "packages/console/build-page.ts",
    "packages/web-client/src",
    "packages/teaching/src",
  ],
  "examples/pictures",
  ...["packages/core/src", "packages/client-core/src", "proto/gen/tensorgate", "package-lock.json"],
];

const wanted = digestOf(["package-lock.json"]);

const say = (line) => process.stderr.write(`tensorgate: ${line}\n`);
let holdsLock = false;
const says = (file, text) => existsSync(file) && readFileSync(file, "utf8") === text;
const isInstalled = () => says(marker, wanted);
const isPageBuilt = () => says(pageMarker, digestOf(pageSources));

if (!isInstalled() || !isPageBuilt()) {
  await takeLock();
  try {
    // Another run may have done it while this one waited.
    if (!isInstalled()) {
      await install();
      writeFileSync(marker, wanted);
    }
    checkNode();
    if (!isPageBuilt()) await buildPage();
  } finally {
    rmdirSync(lock);
    holdsLock = false;
  }
}
checkNode();

/** Of the names and contents of files and folders. */
function digestOf(paths) {
  const digest = createHash("sha256");
  const add = (path) => {
    if (statSync(path).isFile()) return digest.update(path).update(readFileSync(path));
    for (const name of readdirSync(path).sort()) add(join(path, name));
  };
  for (const path of paths) add(join(root, path));
  return digest.digest("hex");
}

async function buildPage() {
  const builtFrom = digestOf(pageSources);
  const own = join(root, "node_modules", ".bin", "node");
  const node = existsSync(own) ? own : process.execPath;
  const script = join(root, "packages", "console", "build-page.ts");
  const child = spawn(node, ["--conditions=@tensorgate/source", script], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
  });
  const code = await new Promise((resolve) => {
    child.once("error", () => resolve(1));
    child.once("exit", resolve);
  });
  if (code !== 0) fail("the page could not be built");
  writeFileSync(pageMarker, builtFrom);
}

/** Two runs at once must not both rewrite node_modules. A folder is made or not made, never half. */
async function takeLock() {
  for (let isFirst = true; ; isFirst = false) {
    try {
      mkdirSync(lock);
      holdsLock = true;
      return;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
      if (Date.now() - statSync(lock).mtimeMs > staleLockMs) {
        rmdirSync(lock);
        continue;
      }
      if (isFirst) say("waiting for another installation to end");
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

function install() {
  say("installing packages (about 200 MB the first time, most of it ONNX Runtime)");
  const startMs = Date.now();
  const seconds = () => Math.round((Date.now() - startMs) / 1_000);
  const progress = setInterval(() => say(`still installing, ${seconds()} s`), 10_000);
  // The npm that runs this script, where there is one.
  const npm = process.env.npm_execpath;
  const [command, args] = npm ? [process.execPath, [npm, "ci"]] : ["npm", ["ci"]];
  const child = spawn(command, args, { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  return new Promise((resolve) => {
    child.once("error", (error) => fail(`npm cannot be started: ${error.message}`));
    child.once("exit", (code) => {
      clearInterval(progress);
      if (code !== 0) fail("npm ci failed; is the npm registry within reach?");
      say(`installed in ${seconds()} s`);
      resolve();
    });
  });
}

function fail(message) {
  say(message);
  if (holdsLock) rmdirSync(lock);
  process.exit(1);
}

/** On Linux the pinned Node is among the packages; elsewhere the machine's own must be new enough. */
function checkNode() {
  if (existsSync(join(root, "node_modules", ".bin", "node"))) return;
  const [major] = process.versions.node.split(".").map(Number);
  // The packages run on 22.18, as they are built; the sources have `using`, which came with 24.
  if (major >= 24) return;
  fail(`Node ${process.versions.node} is too old; install Node 24 or newer`);
}
