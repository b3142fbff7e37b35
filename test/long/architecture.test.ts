import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cruise, type IConfiguration, type ICruiseResult } from "dependency-cruiser";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const configFile: string = "../../.dependency-cruiser.mjs";
const { default: config }: { readonly default: IConfiguration } = await import(configFile);
const root = fileURLToPath(new URL("../..", import.meta.url));

/** One violation per rule: a file in `folder` that imports `target`. */
const planted: readonly {
  readonly rule: string;
  readonly folder: string;
  readonly target: string;
  /** Whether it lies beside the files of the folder, rather than in a folder in it. */
  readonly isBeside?: true;
}[] = [
  { rule: "core-imports-nothing", folder: "core/src", target: "node:fs" },
  { rule: "core-imports-only-its-own", folder: "core/src", target: "@tensorgate/tf-serving" },
  {
    rule: "client-core-imports-only-its-own",
    folder: "client-core/src",
    target: "@tensorgate/tf-serving",
  },
  { rule: "grpc-imports-only-its-own", folder: "grpc/src", target: "@tensorgate/core" },
  {
    rule: "tf-serving-imports-only-its-own",
    folder: "tf-serving/src",
    target: "@tensorgate/imaging",
  },
  {
    rule: "open-inference-imports-only-its-own",
    folder: "open-inference/src",
    target: "@tensorgate/tf-serving",
  },
  {
    rule: "teaching-imports-only-its-own",
    folder: "teaching/src",
    target: "@tensorgate/imaging",
  },
  {
    rule: "savedmodel-imports-only-its-own",
    folder: "savedmodel/src",
    target: "@tensorgate/imaging",
  },
  { rule: "imaging-imports-only-its-own", folder: "imaging/src", target: "@tensorgate/tf-serving" },
  {
    rule: "oci-image-imports-only-its-own",
    folder: "oci-image/src",
    target: "@tensorgate/registry",
  },
  { rule: "registry-imports-only-its-own", folder: "registry/src", target: "@tensorgate/imaging" },
  {
    rule: "gateway-imports-only-its-own",
    folder: "gateway/src",
    target: "@tensorgate/model-server",
  },
  {
    rule: "model-server-imports-only-its-own",
    folder: "model-server/src",
    target: "@tensorgate/gateway",
  },
  { rule: "client-imports-only-its-own", folder: "client/src", target: "@tensorgate/gateway" },
  {
    rule: "web-client-imports-only-its-own",
    folder: "web-client/src",
    target: "@tensorgate/proto/tensorgate/v1/status",
  },
  { rule: "console-imports-only-its-own", folder: "console/page", target: "@tensorgate/gateway" },
  {
    rule: "gateway-decodes-no-picture",
    folder: "gateway/src/models",
    target: "@tensorgate/imaging/decode",
  },
  { rule: "vite-has-one-home", folder: "console/src", target: "vite" },
  { rule: "cli-imports-only-its-own", folder: "cli/src", target: "@tensorgate/imaging" },
  {
    rule: "stage-inbound-imports-only-its-own",
    folder: "gateway/src/inbound",
    target: "../../routing/router.ts",
  },
  {
    rule: "stage-models-imports-only-its-own",
    folder: "gateway/src/models",
    target: "../../upstream/replicas.ts",
  },
  {
    rule: "stage-routing-imports-only-its-own",
    folder: "gateway/src/routing",
    target: "@tensorgate/tf-serving",
  },
  {
    rule: "stage-telemetry-imports-only-its-own",
    folder: "gateway/src/telemetry",
    target: "../../routing/router.ts",
  },
  {
    rule: "stage-upstream-imports-only-its-own",
    folder: "gateway/src/upstream",
    target: "../../inbound/server/exchange.ts",
  },
  {
    rule: "stage-devices-imports-only-its-own",
    folder: "gateway/src/devices",
    target: "../../upstream/replica.ts",
  },
  {
    rule: "stage-rollout-imports-only-its-own",
    folder: "gateway/src/rollout",
    target: "../../routing/router.ts",
  },
  {
    rule: "stage-capacity-imports-only-its-own",
    folder: "gateway/src/capacity",
    target: "../../routing/router.ts",
  },
  {
    rule: "stage-sharing-imports-only-its-own",
    folder: "gateway/src/sharing",
    target: "../../routing/router.ts",
  },
  {
    rule: "one-runner-for-all-protocols",
    folder: "gateway/src/inbound/protocols",
    target: "./rest/messages.ts",
    isBeside: true,
  },
  {
    rule: "manifests-know-only-models",
    folder: "gateway/src/manifests",
    target: "../../routing/router.ts",
  },
  {
    rule: "stages-meet-in-the-gateway",
    folder: "gateway/src",
    target: "./routing/router.ts",
    isBeside: true,
  },
  {
    rule: "server-knows-no-protocol",
    folder: "gateway/src/inbound/server",
    target: "../../access/authentication.ts",
  },
  {
    rule: "access-knows-no-protocol",
    folder: "gateway/src/inbound/access",
    target: "../../server/exchange.ts",
  },
  {
    rule: "protocols-know-no-other",
    folder: "gateway/src/inbound/protocols/rpc",
    target: "../../rest/errors.ts",
  },
  {
    rule: "simulation-is-not-published",
    folder: "gateway/src/routing",
    target: "../../../simulation/simulate.ts",
  },
  {
    rule: "config-knows-only-options",
    folder: "gateway/src/config",
    target: "../../routing/router.ts",
  },
  { rule: "node-modules-on-demand", folder: "gateway/src/upstream", target: "node:http2" },
  { rule: "sharp-has-one-home", folder: "imaging/src", target: "sharp" },
  { rule: "onnxruntime-node-has-one-home", folder: "gateway/src", target: "onnxruntime-node" },
  { rule: "grpc-grpc-js-has-one-home", folder: "gateway/src/upstream", target: "@grpc/grpc-js" },
  { rule: "connectrpc-has-one-home", folder: "gateway/src/models", target: "@connectrpc/connect" },
  {
    rule: "opentelemetry-has-one-home",
    folder: "gateway/src/inbound",
    target: "@opentelemetry/api",
  },
  {
    rule: "stage-pipeline-imports-only-its-own",
    folder: "gateway/src/pipeline",
    target: "../../routing/router.ts",
  },
  { rule: "lru-cache-has-one-home", folder: "gateway/src/routing", target: "lru-cache" },
  { rule: "pino-has-one-home", folder: "cli/src/commands", target: "pino" },
  { rule: "yaml-has-one-home", folder: "gateway/src/inbound", target: "yaml" },
  { rule: "commander-has-one-home", folder: "gateway/src", target: "commander" },
  { rule: "azure-has-one-home", folder: "registry/src", target: "@azure/storage-blob" },
];

let result: ICruiseResult;
const folders: string[] = [];

beforeAll(async () => {
  for (const [index, { folder, target, isBeside }] of planted.entries()) {
    if (isBeside) {
      const file = join(root, "packages", folder, `violation-${index}.ts`);
      folders.push(file);
      writeFileSync(file, `import "${target}";\n`);
      continue;
    }
    // In its own folder, so that nothing else sees it and it is gone with its folder.
    const place = mkdtempSync(join(root, "packages", folder, "planted-"));
    folders.push(place);
    writeFileSync(join(place, `violation-${index}.ts`), `import "${target}";\n`);
  }
  const [cycle] = folders;
  if (cycle) {
    writeFileSync(join(cycle, "one.ts"), 'import "./two.ts";\n');
    writeFileSync(join(cycle, "two.ts"), 'import "./one.ts";\n');
  }
  const { output } = await cruise(
    ["packages", "proto"],
    {
      ...config.options,
      validate: true,
      ruleSet: { forbidden: config.forbidden ?? [] },
      baseDir: root,
    },
    { ...config.options?.enhancedResolveOptions, ...resolveOptions },
  );
  result = output as ICruiseResult;
}, 120_000);
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

const resolveOptions = { extensions: [".ts", ".js", ".mjs", ".json"] };

const violationsOf = (rule: string, from: string) =>
  result.summary.violations.filter(
    (violation) => violation.rule.name === rule && violation.from.includes(from),
  );

test("the cruise sees the modules of the project", () => {
  expect(result.summary.totalCruised).toBeGreaterThan(100);
});

test("every rule has a planted violation", () => {
  const rules = config.forbidden?.map(({ name }) => name ?? "").sort();

  expect(["no-cycles", ...planted.map(({ rule }) => rule)].sort()).toEqual(rules);
});

describe("a planted violation is found", () => {
  test.each(planted.map((each, index) => ({ ...each, index })))("of $rule", ({ rule, index }) => {
    expect(violationsOf(rule, `violation-${index}.ts`)).toHaveLength(1);
  });

  test("of no-cycles", () => {
    expect(violationsOf("no-cycles", "planted-").length).toBeGreaterThan(0);
  });
});
