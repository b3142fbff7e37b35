import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { fileURLToPath } from "node:url";
import { parseConfig } from "@tensorgate/gateway";
import { describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";

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
}

const resourcesOf = (text: string) =>
  parseAllDocuments(text).map((document): Resource => document.toJS());

const manifests = read("deploy/kubernetes/tensorgate.yaml");

test("each way to start a gateway bounds V8's young generation, as the benchmark does", () => {
  const starts = {
    "package.json": 2,
    Dockerfile: 1,
    "scripts/build-image.ts": 1,
    "deploy/systemd/tensorgate.service": 1,
    "bench/launch/tensorgate.ts": 1,
  };
  const found = Object.keys(starts).map((file) => {
    const bounds = read(file).match(/--max-semi-space-size=8\b/g) ?? [];
    return [file, bounds.length];
  });

  expect(Object.fromEntries(found)).toEqual(starts);
});

test("the Kubernetes example has what a gateway and a model need there", () => {
  const kinds = resourcesOf(manifests).map(({ kind, metadata }) => `${kind} ${metadata.name}`);

  expect(kinds.toSorted()).toEqual([
    "ConfigMap tensorgate",
    "Deployment tensorgate",
    "Deployment tensorgate-shapes",
    "HorizontalPodAutoscaler tensorgate",
    "Lease tensorgate",
    "NetworkPolicy tensorgate",
    "NetworkPolicy tensorgate-models",
    "PodDisruptionBudget tensorgate",
    "PodDisruptionBudget tensorgate-shapes",
    "Role tensorgate",
    "RoleBinding tensorgate",
    "Service tensorgate",
    "Service tensorgate-shapes",
    "ServiceAccount tensorgate",
  ]);
});

/** The configuration among resources, as a gateway reads it. */
function configOf(text: string) {
  const config = resourcesOf(text).find(({ kind }) => kind === "ConfigMap");
  return parseConfig(config?.data?.["tensorgate.yaml"] ?? "", "tensorgate.yaml");
}

test("its configuration is one that a gateway takes", () => {
  expect(configOf(manifests)).toMatchObject({
    region: "westeurope",
    pools: [{ replicas: ["dns:///tensorgate-shapes.default.svc.cluster.local:8500"] }],
  });
});

/** Values of the guide to Kubernetes, docs/snippets/kubernetes. */
const guideValues = () => parse(read("docs/snippets/kubernetes/values.yaml"));

test("the values of the guide are a configuration that a gateway takes", () => {
  const config = parseConfig(JSON.stringify(guideValues().gateway), "values.yaml");

  expect(config).toMatchObject({ pools: [{ model: "resnet50" }], keys: [{ id: "app-1" }] });
});

const helm = ["helm", `${peersHome()}/kubernetes/bin/helm`].find((program) => {
  try {
    // Earlier versions write the same objects with other spaces between them.
    const said = execFileSync(program, ["version", "--short"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    return said.startsWith("v4");
  } catch {
    return false;
  }
});

function peersHome(): string {
  const cache = process.env["XDG_CACHE_HOME"] ?? `${homedir()}/.cache`;
  return process.env["PEERS_HOME"] ?? `${cache}/tensorgate-peers`;
}

describe.skipIf(!helm)(`the Helm chart${helm ? "" : " (skipped without helm 4)"}`, () => {
  const chart = fileURLToPath(new URL("../deploy/helm/tensorgate", import.meta.url));
  /** Renders the chart. @param values - as JSON, which is YAML */
  const rendered = (values: object, name = "t") =>
    execFileSync(helm ?? "", ["template", name, chart, "--namespace", "default", "-f", "-"], {
      encoding: "utf8",
      input: JSON.stringify(values),
      stdio: ["pipe", "pipe", "pipe"],
    });
  const anonymous = { allowAnonymous: true };
  const source = { kind: "imageVolume", image: "r/m:1" };

  test("gives deploy/kubernetes, byte for byte", () => {
    const values = parse(read("deploy/kubernetes/values.yaml"));

    expect(rendered(values, "tensorgate")).toBe(manifests);
  });

  test("renders the values of the guide", () => {
    expect(configOf(rendered(guideValues()))).toMatchObject({
      region: "westeurope",
      pools: [{ replicas: ["dns:///resnet50.models:8500"] }],
    });
  });

  test("renders every option, with a configuration that a gateway takes", () => {
    const text = rendered({
      gateway: {
        ...anonymous,
        autoscaling: { kind: "keda" },
        tls: { secretName: "t", issuer: { name: "i" } },
        config: { routing: { retryShare: 0.3 } },
      },
      prometheus: { address: "http://p:9090" },
      networkPolicy: { enabled: true },
      serviceMonitor: { enabled: true },
      routes: { http: true, grpc: true, parentRefs: [{ name: "g" }], hostnames: ["a.example"] },
      models: [
        {
          name: "ssd_x",
          resource: "xilinx.com/fpga",
          replicas: 2,
          source: { kind: "image", image: "r/x:1" },
          autoscale: { kind: "keda", minReplicas: 1, maxReplicas: 3 },
        },
        {
          name: "old",
          server: "other",
          port: 80,
          source: { kind: "image", image: "r/y:1" },
          pool: { dialect: "azure-fpga", service: "s" },
        },
        { name: "c", source: { kind: "claim", claim: "models", reference: "c@champion" } },
      ],
    });

    const kinds = new Set(resourcesOf(text).map(({ kind }) => kind));
    expect([...kinds]).toEqual(
      expect.arrayContaining([
        "Certificate",
        "GRPCRoute",
        "HTTPRoute",
        "PodMonitor",
        "ScaledObject",
      ]),
    );
    expect(text).toContain("--device=exclusive");
    expect(text).toContain("xilinx.com/fpga: 1");
    expect(configOf(text)).toMatchObject({
      routing: { retryShare: 0.3 },
      listen: { tls: { cert: "/etc/tensorgate-tls/tls.crt" } },
      pools: [
        {
          model: "ssd_x",
          parallelism: 1,
          replicas: ["dns:///t-ssd-x.default.svc.cluster.local:8500"],
        },
        { model: "old", dialect: "azure-fpga", service: "s" },
        { model: "c" },
      ],
    });
  });

  test("lets gateways read the EndpointSlices that they discover replicas by", () => {
    const text = rendered({
      gateway: { ...anonymous, discovery: "kubernetes" },
      models: [{ name: "m", source }],
    });

    expect(configOf(text).pools).toMatchObject([{ replicas: ["kubernetes:///t-m.default:8500"] }]);
    expect(text).toMatch(/resources: \[endpointslices\], verbs: \[get, list, watch\]/);
    expect(text).toContain("serviceAccountName: t\n");
    expect(text).toContain("automountServiceAccountToken: true");
    // Kubernetes keeps the account of a field that is left out, and no pod starts once that account is gone.
    const alone = rendered({ gateway: { ...anonymous, replicas: 1 } });
    expect(alone).toContain("serviceAccountName: default\n");
  });

  test("lets gateways read nodes only if replicas are in the regions of their nodes", () => {
    const models = [{ name: "m", source }];
    const gateway = { ...anonymous, discovery: "kubernetes", region: "kubernetes:///region" };
    const text = rendered({ gateway, models });
    const hasRole = (each: string) =>
      resourcesOf(each).some(({ kind }) => kind === "ClusterRoleBinding");

    expect(configOf(text)).toMatchObject({
      region: "kubernetes:///region",
      pools: [{ region: "kubernetes:///region", replicas: ["kubernetes:///t-m.default:8500"] }],
    });
    expect(text).toMatch(/apiGroups: \[""\], resources: \[nodes\], verbs: \[get\]/);
    expect(text).toContain("metadata.labels['topology.kubernetes.io/region']");
    expect(hasRole(text)).toBe(true);
    const zones = rendered({ gateway: { ...gateway, region: "kubernetes:///zone" }, models });
    expect(zones).toContain("TENSORGATE_NODE_ZONE");
    expect(hasRole(zones)).toBe(false);
    expect(hasRole(rendered({ gateway: { ...gateway, nodes: false }, models }))).toBe(false);
    expect(hasRole(rendered({ gateway: { ...gateway, region: "eastus" }, models }))).toBe(false);
  });

  test("lets gateways list nodes and pods only if they count free devices", () => {
    const models = [{ name: "m", source, resource: "xilinx.com/fpga" }];
    const ruled = (gateway: object) =>
      resourcesOf(rendered({ gateway: { ...anonymous, replicas: 1, ...gateway }, models })).filter(
        ({ kind }) => kind.includes("Role"),
      );

    expect(ruled({})).toEqual([]);
    // Alone it reads nothing of its own namespace.
    const capacity = { enabled: true, resources: ["nvidia.com/gpu"] };
    expect(ruled({ capacity })).toMatchObject([
      {
        kind: "ClusterRole",
        metadata: { name: "default-t-nodes" },
        rules: [{ apiGroups: [""], resources: ["nodes", "pods"], verbs: ["list"] }],
      },
      { kind: "ClusterRoleBinding" },
    ]);
    const text = rendered({ gateway: { ...anonymous, replicas: 1, capacity }, models });
    expect(text).toContain("automountServiceAccountToken: true");
    expect(configOf(text)).toMatchObject({
      capacity: { resources: ["nvidia.com/gpu", "xilinx.com/fpga"] },
    });
    expect(() => rendered({ gateway: { ...anonymous, capacity: { enabled: true } } })).toThrow(
      "gateway.capacity needs resources",
    );
  });

  test("lets several gateways share the slots of replicas, and one have them all", () => {
    const models = [{ name: "m", source }];
    const several = rendered({ gateway: anonymous, models });
    expect(configOf(several).sharing).toMatchObject({ lease: { kubernetes: { name: "t" } } });
    expect(several).toMatch(/resources: \[leases\], resourceNames: \[t\], verbs: \[get, patch\]/);
    const kinds = resourcesOf(several).map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(kinds).toEqual(expect.arrayContaining(["Lease t", "Secret t-sharing"]));
    expect(several).toContain("secretKeyRef: { name: t-sharing, key: secret }");

    const one = rendered({ gateway: { ...anonymous, replicas: 1 }, models });
    expect(configOf(one)).not.toHaveProperty("sharing");
    expect(resourcesOf(one).map(({ kind }) => kind)).not.toContain("Lease");

    const apart = rendered({ gateway: { ...anonymous, sharing: { enabled: false } }, models });
    expect(configOf(apart)).toMatchObject({ routing: { pacing: false } });

    const given = rendered({ gateway: { ...anonymous, sharing: { secretName: "own" } }, models });
    expect(resourcesOf(given).map(({ kind }) => kind)).not.toContain("Secret");
    expect(given).toContain("secretKeyRef: { name: own, key: secret }");
  });

  test("gives gateways the heads of a model", () => {
    const versions = [{ version: "3", document: "{}" }];
    const heads = [{ name: "cats", versions, aliases: { champion: "3" } }];
    const text = rendered({ gateway: anonymous, models: [{ name: "m", source, heads }] });

    const config = resourcesOf(text).find(({ kind }) => kind === "ConfigMap");
    expect(parse(config?.data?.["tensorgate.yaml"] ?? "")).toMatchObject({
      models: [
        { name: "m" },
        { name: "cats", head: { of: "m", versions, aliases: { champion: "3" } } },
      ],
      pools: [{ model: "m" }],
    });
  });

  test("autoscales by metrics that there are", () => {
    const text = rendered({
      gateway: { ...anonymous, autoscaling: { kind: "keda" } },
      prometheus: { address: "http://p" },
      models: [{ name: "m", source, autoscale: { kind: "keda", minReplicas: 1, maxReplicas: 2 } }],
    });

    const asked = [...text.matchAll(/query: sum\((\w+)\{/g)].map(([, name = ""]) => name);
    expect(asked).toHaveLength(2);
    expect(asked.filter((name) => !prometheusNames.has(name))).toEqual([]);
  });

  test("autoscales models by the queue where there is a Prometheus, and by processor time elsewhere", () => {
    const models = [{ name: "m", source, autoscale: { minReplicas: 2, maxReplicas: 4 } }];
    const kindsFor = (values: object) =>
      resourcesOf(rendered({ gateway: anonymous, models, ...values })).map(
        ({ kind, metadata }) => `${kind} ${metadata.name}`,
      );

    expect(kindsFor({})).toContain("HorizontalPodAutoscaler t-m");
    expect(kindsFor({ prometheus: { address: "http://p" } })).toContain("ScaledObject t-m");
    // Two replicas that the autoscaler keeps are two that a drained node must not take together.
    expect(kindsFor({})).toContain("PodDisruptionBudget t-m");
  });

  test("places models by the defaults of all, and by what each says itself", () => {
    const taint = { key: "nvidia.com/gpu", operator: "Exists" };
    const modelDefaults = {
      nodeSelector: { pool: "devices" },
      tolerations: [taint],
      resources: { limits: { memory: "8Gi" } },
    };
    const models = [
      { name: "a", source, resource: "nvidia.com/gpu" },
      { name: "b", source, nodeSelector: { pool: "own" }, resources: { limits: { cpu: "2" } } },
    ];
    const text = rendered({ gateway: anonymous, modelDefaults, models });
    const pods = parseAllDocuments(text)
      .map((document) => document.toJS())
      .filter(({ kind, metadata }) => kind === "Deployment" && metadata.name !== "t")
      .map(({ spec }) => spec.template.spec);

    expect(pods).toMatchObject([
      { nodeSelector: { pool: "devices" }, tolerations: [taint] },
      { nodeSelector: { pool: "own" }, tolerations: [taint] },
    ]);
    expect(pods.map(({ containers }) => containers[0].resources.limits)).toEqual([
      { memory: "8Gi", "nvidia.com/gpu": 1 },
      { memory: "8Gi", cpu: "2" },
    ]);
    // They are those of model servers only.
    expect(text.match(/pool: /g)).toHaveLength(2);
  });

  test("labels its monitor for the Prometheus that selects it", () => {
    const monitor = resourcesOf(
      rendered({
        gateway: anonymous,
        serviceMonitor: { enabled: true, labels: { release: "prometheus" } },
      }),
    ).find(({ kind }) => kind === "PodMonitor");

    expect(monitor?.metadata).toMatchObject({
      labels: { release: "prometheus", "app.kubernetes.io/instance": "t" },
    });
  });

  test.each([
    { values: {}, says: "set gateway.keys" },
    { values: { gateway: { ...anonymous, replica: 3 } }, says: "'replica' not allowed" },
    { values: { gateway: anonymous, models: [{ name: "m" }] }, says: "missing property 'source'" },
    {
      values: { gateway: anonymous, models: [{ name: "m", source, resource: "a/b" }] },
      says: "/models/0/resource",
    },
  ])("refuses values: $says", ({ values, says }) => {
    expect(() => rendered(values)).toThrow(says);
  });
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
