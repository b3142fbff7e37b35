// Makes a fresh clone ready to run, and does nothing quickly where it already is. Plain JavaScript: it runs on
// whatever Node the machine has, before the one that the project pins is there.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const marker = join(root, "node_modules", ".tensorgate-setup");
const lock = join(root, ".setup-lock");
/** A lock older than this was left by a run that was killed, in milliseconds. */
const staleLockMs = 15 * 60_000;

const wanted = createHash("sha256")
  .update(readFileSync(join(root, "package-lock.json")))
  .digest("hex");

const say = (line) => process.stderr.write(`tensorgate: ${line}\n`);
const isReady = () => existsSync(marker) && readFileSync(marker, "utf8") === wanted;

if (!isReady()) {
  await takeLock();
  try {
    // Another run may have done it while this one waited.
    if (!isReady()) {
      await install();
      writeFileSync(marker, wanted);
    }
  } finally {
    rmdirSync(lock);
  }
}
checkNode();

/** Two runs at once must not both rewrite node_modules. A folder is made or not made, never half. */
async function takeLock() {
  for (let isFirst = true; ; isFirst = false) {
    try {
      mkdirSync(lock);
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
  say("installing packages (about 180 MB the first time, most of it ONNX Runtime)");
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
  rmdirSync(lock);
  process.exit(1);
}

/** On Linux the pinned Node is among the packages; elsewhere the machine's own must be new enough. */
function checkNode() {
  if (existsSync(join(root, "node_modules", ".bin", "node"))) return;
  const [major] = process.versions.node.split(".").map(Number);
  // The packages run on 22.18, as they are built; the sources have `using`, which came with 24.
  if (major >= 24) return;
  say(`Node ${process.versions.node} is too old; install Node 24 or newer`);
  process.exit(1);
}
