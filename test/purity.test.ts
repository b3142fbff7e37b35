import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const packages = fileURLToPath(new URL("../packages/", import.meta.url));

/** Folders whose code is told the time and chance, and does nothing but compute. */
const pure = [
  "core/src",
  "client-core/src",
  "grpc/src",
  "tf-serving/src",
  "open-inference/src",
  "teaching/src",
  "gateway/src/routing/scheduler",
  "gateway/src/routing/sharing",
  "gateway/src/rollout/machine",
  "gateway/src/devices",
  "gateway/simulation",
];

const impure =
  /\b(Date\.now|new Date\b|performance\.now|Math\.random|randomUUID|setTimeout|setInterval|setImmediate|queueMicrotask|process\.|console\.)|from "node:/;

function sourcesIn(folder: string): readonly string[] {
  return globSync(`${folder}/**/*.ts`, { cwd: packages }).filter(
    (file) => !file.endsWith(".test.ts"),
  );
}

test.each(pure)("%s knows no clock, no timer, no chance and no I/O", (folder) => {
  const files = sourcesIn(folder);
  expect(files.length).toBeGreaterThan(2);

  const faults = files.flatMap((file) =>
    readFileSync(`${packages}${file}`, "utf8")
      .split("\n")
      .filter((line) => impure.test(line) && !/^\s*(\*|\/\/|\/\*)/.test(line))
      .map((line) => `${file}: ${line.trim()}`),
  );

  expect(faults).toEqual([]);
});

test.each(["const now = Date.now();", 'import fs from "node:fs";', "setTimeout(wake, 1);"])(
  "%s would be found",
  (line) => {
    expect(line).toMatch(impure);
  },
);
