#!/usr/bin/env node
import { createSignals } from "./service/signals.ts";

// Before anything else is loaded, which takes most of a second: a signal must not end a service that starts.
const signals = createSignals();

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (signals.isServing) return;
  // Whoever reads what is written may have seen enough: `tensorgate score … | head`.
  if (error.code === "EPIPE") process.exit(0);
  process.stderr.write(`tensorgate: standard output: ${error.message}\n`);
  process.exit(1);
});
// There is no other place to tell it.
process.stderr.on("error", () => {});

const { run } = await import("./run.ts");
// Signals that came while modules were loaded, which keeps the event loop from turning, are delivered now.
await new Promise((resolve) => setImmediate(resolve));
process.exitCode = await run(process.argv.slice(2), signals);
// A pipe that nobody reads would keep the process alive after it was stopped.
if (signals.isTaken) process.exit();
