import { expect, test } from "vitest";
import { parseOciReference } from "./oci-reference.ts";

test.each([
  { text: "oci://r.example/m", tag: "latest" },
  { text: "oci://r.example:5000/a/b-c/m:1.0", tag: "1.0" },
  { text: `oci://localhost/m@sha256:${"0".repeat(64)}`, tag: `sha256:${"0".repeat(64)}` },
])("$text names $tag", ({ text, tag }) => {
  expect(parseOciReference(text).tag).toBe(tag);
});

test.each([
  "oci://r.example",
  "oci://r.example/UPPER",
  "oci://a b/m",
  "oci://r.example/m:",
  "oci://u@h/m",
])("%s is no reference", (text) => {
  expect(() => parseOciReference(text)).toThrow(/invalid reference/);
});
