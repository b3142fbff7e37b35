import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { assertAllowed } from "./base-paths.ts";

const folder = mkdtempSync(join(tmpdir(), "tensorgate-paths-"));
const at = (...parts: readonly string[]) => join(folder, ...parts);
mkdirSync(at("models", "a"), { recursive: true });
mkdirSync(at("single"));
mkdirSync(at("secret", "b"), { recursive: true });
symlinkSync(at("secret", "b"), at("models", "way-out"));
symlinkSync(at("models"), at("alias"));
afterAll(() => rmSync(folder, { recursive: true }));

const allowed = { below: [at("models")], exactly: [at("single")] };

test.each([
  { path: at("models", "a"), because: "it is below" },
  { path: at("models", "later"), because: "it would be below" },
  { path: at("models", "x", "..", "a"), because: "it leads below" },
  { path: at("alias", "a"), because: "it leads below by a link" },
  { path: at("single"), because: "it is that folder" },
])("$path is allowed: $because", ({ path }) => {
  expect(() => assertAllowed("m", path, allowed)).not.toThrow();
});

test.each([
  { path: at("models"), because: "it is not below itself" },
  { path: at("models-of-others"), because: "it only begins alike" },
  { path: at("models", "..", "secret", "b"), because: "it leads out" },
  { path: at("models", "way-out"), because: "it leads out by a link" },
  { path: at("secret", "b"), because: "it is elsewhere" },
  { path: at("not", "there"), because: "it would be elsewhere" },
  { path: at("single", "1"), because: "one model's folder is no folder of models" },
  { path: `${at("models", "a")}\0`, because: "it is no path" },
])("$path is denied: $because", ({ path }) => {
  expect(() => assertAllowed("m", path, allowed)).toThrow("is not below a folder");
});

test("a relative path is refused in TensorFlow Serving's words", () => {
  expect(() => assertAllowed("m", "models/a", allowed)).toThrow(
    "Expected model m to have an absolute path or URI; got base_path()=models/a",
  );
});
