#!/usr/bin/env node
import { nodeVersionFault } from "./node-version.ts";
import { createSignals } from "./service/signals.ts";

// Before other modules are loaded: an older Node would end with the stack of a function that it lacks.
const fault = nodeVersionFault(process.versions.node);
if (fault !== undefined) {
  process.stderr.write(`tensorgate: ${fault}\n`);
  process.exit(1);
}

// Before other modules are loaded, which takes most of a second: a signal must not end a service during its start.
const signals = createSignals();

// From a checkout npm runs the command in its root, whatever folder the user is in.
const { npm_package_name: script, INIT_CWD: folder } = process.env;
if (script === "tensorgate-workspace" && folder !== undefined) process.chdir(folder);

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (signals.isServing) return;
  // The reader of a pipe may close it: `tensorgate score … | head`.
  if (error.code === "EPIPE") process.exit(0);
  process.stderr.write(`tensorgate: standard output: ${error.message}\n`);
  process.exit(1);
});
// There is no other place to report it.
process.stderr.on("error", () => {});

// Node's own form has the process id, and a second line for developers.
if (process.listenerCount("warning") > 0) {
  process.removeAllListeners("warning");
  process.on("warning", ({ name, message }) => {
    const kind = name === "Warning" ? "warning" : name;
    process.stderr.write(`tensorgate: ${kind}: ${message}\n`);
  });
}

const { run } = await import("./run.ts");
// Delivers signals that arrived while modules were loaded, which blocks the event loop.
await new Promise((resolve) => setImmediate(resolve));
process.exitCode = await run(process.argv.slice(2), signals);
// A pipe without a reader would keep the stopped process alive.
if (signals.isTaken) process.exit();
