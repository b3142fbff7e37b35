#!/usr/bin/env node
import { run } from "./run.ts";

// Whoever reads what is written may have seen enough: `tensorgate score … | head`.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

process.exitCode = await run(process.argv.slice(2));
