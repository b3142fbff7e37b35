import { create, toJsonString } from "@bufbuild/protobuf";
import { PredictResponseSchema } from "@tensorgate/proto/tensorgate/v1/scoring";
import { expect, test } from "vitest";
import { assertWritableAsJson } from "./json-length.ts";

const mib = 2 ** 20;
const tensors = (count: number, byteCount: number) => ({
  region: "westeurope",
  outputs: Object.fromEntries(
    Array.from({ length: count }, (_, index) => [
      `output-${index}`,
      {
        dtype: "FP32",
        shape: [1n, BigInt(byteCount / 4)],
        values: { case: "data" as const, value: new Uint8Array(byteCount) },
      },
    ]),
  ),
});

test.each([
  { what: "a tensor of 6 MB", message: tensors(1, 6_000_000) },
  { what: "400,000 features", message: { features: new Array(400_000).fill(0.1) } },
])("$what is written as JSON", ({ message }) => {
  assertWritableAsJson(message);
});

test.each([
  { what: "a tensor of 8 MiB", message: tensors(1, 8 * mib) },
  { what: "a thousand tensors of 8 KiB", message: tensors(1_000, 8_192) },
  { what: "a million features", message: { features: new Array(1_000_000).fill(0.1) } },
  { what: "three million empty texts", message: { labels: new Array(3_000_000).fill("") } },
  { what: "a text of 9 MiB", message: { label: "a".repeat(9 * mib) } },
  {
    what: "many keys",
    message: { outputs: Object.fromEntries(keys(300_000).map((key) => [key, {}])) },
  },
])("$what fails before anything is written, and no replica is to blame", ({ message }) => {
  expect(() => assertWritableAsJson(message)).toThrow(
    expect.objectContaining({ reason: "upstream-failed" }),
  );
});

function keys(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `a long name of an output ${index}`);
}

test("what is accepted is no longer than the limit", () => {
  const message = tensors(50, 120_000);
  assertWritableAsJson(message);

  const json = toJsonString(PredictResponseSchema, create(PredictResponseSchema, message));
  expect(json.length).toBeLessThan(8 * mib);
});
