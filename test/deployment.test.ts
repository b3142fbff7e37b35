import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseConfig } from "@tensorgate/gateway";
import { expect, test } from "vitest";
import { parseAllDocuments } from "yaml";

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");

/** Names of the metrics as the sources make them. */
const made = [
  "packages/gateway/src/telemetry/instruments.ts",
  "packages/cli/src/telemetry/process-metrics.ts",
  "packages/cli/src/telemetry/log-metrics.ts",
].flatMap((file) =>
  [...read(file).matchAll(/"((?:tensorgate|process|nodejs)\.[a-z_.0-9]+)"/g)].map(
    ([, name]) => name,
  ),
);

const prometheusNames = new Set(
  made.flatMap((name = "") => {
    const base = name.replaceAll(".", "_");
    return [base, `${base}_total`, `${base}_bucket`];
  }),
);

interface Resource {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly metrics?: readonly {
      readonly pods?: { readonly metric: { readonly name: string } };
    }[];
  };
}

const resources = parseAllDocuments(read("deploy/kubernetes/tensorgate.yaml")).map(
  (document): Resource => document.toJS(),
);

test("the Kubernetes example has what a gateway needs there", () => {
  expect(resources.map(({ kind }) => kind)).toEqual([
    "ConfigMap",
    "Deployment",
    "Service",
    "PodDisruptionBudget",
    "HorizontalPodAutoscaler",
  ]);
});

test("its configuration is one that a gateway takes", () => {
  const text = resources[0]?.data?.["tensorgate.yaml"] ?? "";

  expect(parseConfig(text, "tensorgate.yaml")).toMatchObject({ region: "westeurope" });
});

test("it scales by a metric that there is", () => {
  const names = resources
    .flatMap(({ spec }) => spec?.metrics ?? [])
    .flatMap(({ pods }) => pods?.metric.name ?? []);

  expect(names).toHaveLength(1);
  expect(names.filter((name) => !prometheusNames.has(name))).toEqual([]);
});

test("docs/operating.md lists every metric, and no other", () => {
  const documented = [
    ...read("docs/operating.md").matchAll(/`((?:tensorgate|process|nodejs)\.[a-z_.0-9]+)`/g),
  ]
    .map(([, name]) => name)
    .filter((name) => name !== "tensorgate.yaml" && !name?.endsWith(".service"));

  expect(new Set(documented)).toEqual(new Set(made));
});

test("the dashboard asks for metrics that there are", () => {
  const dashboard = JSON.parse(read("deploy/grafana/tensorgate.json")) as {
    readonly panels: readonly { readonly targets: readonly { readonly expr: string }[] }[];
  };
  const asked = dashboard.panels
    .flatMap(({ targets }) => targets)
    .flatMap(({ expr }) => [...expr.matchAll(/(?:tensorgate|process|nodejs)_[a-z_0-9]+/g)].flat());

  expect(asked.length).toBeGreaterThan(10);
  expect(asked.filter((name) => !prometheusNames.has(name))).toEqual([]);
});

const hasSystemdAnalyze = (() => {
  try {
    execFileSync("systemd-analyze", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

test.skipIf(!hasSystemdAnalyze)(
  "systemd finds no fault in the unit but that nothing is installed (skipped without systemd-analyze)",
  () => {
    const unit = fileURLToPath(new URL("../deploy/systemd/tensorgate.service", import.meta.url));
    let said = "";
    try {
      execFileSync("systemd-analyze", ["verify", "--man=no", unit], {
        stdio: ["ignore", "ignore", "pipe"],
      });
    } catch (thrown) {
      said = String((thrown as { readonly stderr: Buffer }).stderr);
    }

    const faults = said.split("\n").filter((line) => line.includes("tensorgate.service"));
    expect(faults.filter((line) => !line.includes("/usr/bin/tensorgate"))).toEqual([]);
  },
);

test("files that SECURITY.md names as proof are there", () => {
  const named = [...read("SECURITY.md").matchAll(/`([a-z-]+\.test\.ts)`/g)].map(([, name]) => name);
  const files = execFileSync("git", ["ls-files", "*.test.ts"], {
    cwd: fileURLToPath(new URL("..", import.meta.url)),
    encoding: "utf8",
  });

  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((name) => !files.includes(`/${name}\n`))).toEqual([]);
});
