import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { casesOf, hasCases } from "../../../../test/support/conformance-cases.ts";
import { servedVersions } from "../model-folders.ts";
import { selectVersions, type VersionPolicy } from "./version-policy.ts";

const folder = mkdtempSync(join(tmpdir(), "tensorgate-policy-"));
afterAll(() => rmSync(folder, { recursive: true }));

const served = (policy: VersionPolicy, ...versions: readonly bigint[]) =>
  selectVersions(
    versions.map((version) => ({ version })),
    policy,
  ).map(({ version }) => version);

test("a policy serves the newest versions, all, or those that are named", () => {
  expect(served({ kind: "latest", count: 2 }, 1n, 3n, 2n)).toEqual([3n, 2n]);
  expect(served({ kind: "all" }, 1n, 3n, 2n)).toEqual([3n, 2n, 1n]);
  expect(served({ kind: "specific", versions: [1n, 9n] }, 1n, 3n)).toEqual([1n]);
});

test("of two folders with the same number one is served", () => {
  expect(served({ kind: "all" }, 1n, 1n)).toEqual([1n]);
});

test.skipIf(hasCases)("TensorFlow Serving's cases are skipped: their folder is not here", () => {});

interface PolicyCase {
  readonly name: string;
  readonly children: readonly string[] | null;
  readonly policy: {
    readonly latest?: { readonly num_versions?: number };
    readonly all?: object;
    readonly specific?: { readonly versions: readonly number[] };
  } | null;
  readonly expect: {
    readonly aspired?: readonly Aspired[] | null;
    readonly aspired_any_of?: readonly (readonly Aspired[])[];
  };
}

interface Aspired {
  readonly version: string;
  readonly dir: string;
}

function policyOf({ policy }: PolicyCase): VersionPolicy {
  if (policy?.all) return { kind: "all" };
  if (policy?.specific) {
    return { kind: "specific", versions: policy.specific.versions.map(BigInt) };
  }
  return { kind: "latest", count: policy?.latest?.num_versions ?? 1 };
}

test.each(casesOf<PolicyCase>("version_policy.jsonl"))("version_policy.jsonl: $name", (each) => {
  const basePath = join(folder, each.name);
  for (const child of each.children ?? []) {
    mkdirSync(join(basePath, child), { recursive: true });
    writeFileSync(join(basePath, child, "model.onnx"), "");
  }
  if (each.children) mkdirSync(basePath, { recursive: true });
  const find = () =>
    servedVersions({ name: "m", basePath, versionPolicy: policyOf(each) }).map(
      ({ version, modelFile }) => ({ version: `${version}`, dir: basename(dirname(modelFile)) }),
    );

  const { aspired, aspired_any_of: anyOf } = each.expect;
  if (aspired === null) expect(find).toThrow("has no version of model");
  else if (anyOf) expect(anyOf).toContainEqual(find());
  else expect(find()).toEqual(aspired);
});
