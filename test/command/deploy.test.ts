import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openRegistry, type Registry } from "@tensorgate/registry";
import { headText } from "@tensorgate/teaching";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runInProcess } from "../support/in-process-command.ts";
import { type StandIns, standInPrograms } from "../support/stand-in-programs.ts";

const shapes = fileURLToPath(
  new URL("../../packages/model-server/models/shapes/1", import.meta.url),
);
const digest = "a".repeat(64);

let folder: string;
let programs: StandIns;
let registry: Registry;
let keyFile: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "tensorgate-deploy-"));
  keyFile = join(folder, "shop.key");
  programs = standInPrograms(join(folder, "bin"));
  process.env["TENSORGATE_REGISTRY"] = join(folder, "registry");
  registry = openRegistry(join(folder, "registry"));
  await registry.register("shapes", { from: shapes, aliases: ["champion"] });
  const image = { reference: "registry.example/shapes:1", sha256: digest, byteCount: 1 };
  await registry.recordUse("shapes@1", { kind: "image", ...image, isPushed: true });
});
afterEach(() => {
  programs[Symbol.dispose]();
  delete process.env["TENSORGATE_REGISTRY"];
  rmSync(folder, { recursive: true });
});

const notFound = { to: "get values", code: 1, stderr: "Error: release: not found" };
const status = { to: "status", stdout: '{"version":4,"info":{"status":"deployed"}}' };

const deploy = (...args: readonly string[]) =>
  runInProcess(["deploy", "shop", "--models", "shapes@champion", "--key-file", keyFile, ...args]);

/** The values that Helm was given. */
function valuesOf(verb: string) {
  const call = programs.calls().find(({ args }) => args[0] === verb);
  return JSON.parse(call?.input ?? "null");
}

test("values of a service have the model's image by digest, its release, and a new key", async () => {
  programs.answer("helm", [notFound, status]);
  programs.answer("kubectl", [{ to: "diff", stdout: "--- a\n+++ b\n+one\n-two\n", code: 1 }]);

  const { code, stderr } = await deploy("--replicas", "3", "--autoscale", "1..4", "-n", "lab");

  expect(stderr).toContain("diff: 2 lines (--diff)\n");
  expect(stderr).toContain("revision 4\n");
  expect(code).toBe(0);
  const values = valuesOf("upgrade");
  expect(values.models).toMatchObject([
    {
      name: "shapes",
      version: "1",
      replicas: 3,
      autoscale: { minReplicas: 1, maxReplicas: 4 },
      source: { kind: "imageVolume", image: `registry.example/shapes@sha256:${digest}` },
      release: {
        labels: expect.arrayContaining(["star"]),
        input: { tensor: "images", kind: "encoded-image", heightPx: 224 },
        output: { scores: { holds: "probabilities" } },
      },
    },
  ]);
  expect(values.gateway.keys).toMatchObject([{ id: "shop", models: ["*"] }]);
  expect(statSync(keyFile).mode & 0o777).toBe(0o600);
  expect(readFileSync(keyFile, "utf8")).toMatch(/^tg_shop_[\w-]{43}\n$/);
  expect(JSON.stringify(programs.calls())).not.toContain(readFileSync(keyFile, "utf8").trim());
  for (const { args } of programs.calls()) expect(args.join(" ")).toContain("--namespace lab");
  expect((await registry.version("shapes@1")).services).toEqual(["lab/shop"]);
});

/** A head on the features of `shapes`, as `tensorgate teach` writes it. */
const headOf = (model: string, version = "1") =>
  headText({
    classes: ["cat", "dog"],
    featureCount: 2,
    weights: Float32Array.of(1, 0, 0, 1),
    bias: Float32Array.of(0, 0),
    backbone: { model, version, reference: Float32Array.of(1, 2) },
  });
const registerHead = (name: string, document: string) =>
  registry.register(name, {
    from: [{ path: "head.json", content: { kind: "bytes", bytes: document } }],
    aliases: ["best"],
  });

test("a head goes into the gateways, and its backbone gets the model servers", async () => {
  programs.answer("helm", [notFound, status]);
  programs.answer("kubectl", []);
  await registerHead("cats", headOf("shapes"));

  const { code, stderr } = await runInProcess([
    ...["deploy", "shop", "--models", "cats@best", "--key-file", keyFile],
  ]);

  expect(stderr).toContain("cats is a head: shapes@1 is deployed as its backbone\n");
  expect(code).toBe(0);
  expect(valuesOf("upgrade").models).toMatchObject([
    {
      name: "shapes",
      version: "1",
      heads: [{ name: "cats", versions: [{ version: "1" }], aliases: { best: "1" } }],
    },
  ]);
  expect((await registry.version("cats@1")).services).toEqual(["shop"]);
  expect((await registry.version("shapes@1")).services).toEqual(["shop"]);

  const released = { to: "get values", stdout: JSON.stringify(valuesOf("upgrade")) };
  programs.answer("helm", [released, status]);
  const scaled = await runInProcess(["scale", "shop", "--model", "cats", "--replicas", "2"]);
  expect(scaled.stderr).toContain("scale its backbone: --model shapes\n");
  expect((await runInProcess(["rollback", "shop"])).stdout).toContain("shapes@1, cats@1 again");
});

test("a head without its backbone, or without features to read, is refused with what to do", async () => {
  programs.answer("helm", [notFound]);
  await registerHead("birds", headOf("shapes", "7"));
  await registerHead("stars", headOf("plain"));
  const from = [
    { path: "model.onnx", content: { kind: "bytes", bytes: new Uint8Array([1]) } },
  ] as const;
  await registry.register("plain", { from });
  const image = { reference: "registry.example/plain:1", sha256: digest, byteCount: 1 };
  await registry.recordUse("plain@1", { kind: "image", ...image, isPushed: true });
  const of = (models: string) => runInProcess(["deploy", "shop", "--models", models]);

  expect((await of("birds")).stderr).toContain(
    "birds@1 is a head on shapes@7, which is not in the registry; name its backbone as well: --models birds@1,shapes@VERSION\n",
  );
  expect((await of("stars")).stderr).toContain("stars cannot be deployed on plain@1: ");
  expect(programs.calls().some(({ args }) => args[0] === "upgrade")).toBe(false);
});

test("the key of a release is kept, and so is one in the file", async () => {
  const keys = [{ id: "app", sha256: "b".repeat(64), models: ["shapes"] }];
  programs.answer("helm", [
    { to: "get values", stdout: JSON.stringify({ gateway: { keys } }) },
    status,
  ]);
  programs.answer("kubectl", []);
  expect((await deploy()).code).toBe(0);
  expect(valuesOf("upgrade").gateway.keys).toEqual(keys);
  expect(existsSync(keyFile)).toBe(false);

  programs.answer("helm", [notFound, status]);
  await deploy();
  const first = readFileSync(keyFile, "utf8");
  await deploy();
  const last = programs.calls().filter(({ args }) => args[0] === "upgrade");
  expect(last.at(-1)?.input).toBe(last.at(-2)?.input);
  expect(readFileSync(keyFile, "utf8")).toBe(first);
});

test("regions of nodes need to know the nodes of replicas", async () => {
  programs.answer("helm", [notFound, status]);
  programs.answer("kubectl", []);

  await deploy("--region", "kubernetes:///zone");

  expect(valuesOf("upgrade").gateway).toMatchObject({
    region: "kubernetes:///zone",
    discovery: "kubernetes",
  });
});

test("--no-auth says what it means", async () => {
  programs.answer("helm", [notFound, status]);
  programs.answer("kubectl", []);

  const { stderr } = await deploy("--no-auth");

  expect(stderr).toContain("every client that reaches the service may call it");
  expect(valuesOf("upgrade").gateway).toMatchObject({ allowAnonymous: true, keys: [] });
});

test("--manifests, --diff and --dry-run change nothing", async () => {
  programs.answer("helm", [notFound, { to: "template", stdout: "kind: Service\n" }]);
  programs.answer("kubectl", [{ to: "diff", stdout: "+kind: Service\n", code: 1 }]);

  expect((await deploy("--manifests")).stdout).toBe("kind: Service\n");
  expect(programs.calls().map(({ program }) => program)).toEqual(["helm"]);
  expect((await deploy("--diff")).stdout).toBe("+kind: Service\n");
  expect((await deploy("--dry-run")).stderr).toContain("nothing is changed");

  const upgrades = programs.calls().filter(({ args }) => args[0] === "upgrade");
  expect(upgrades.map(({ args }) => args.includes("--dry-run=server"))).toEqual([true]);
  expect(existsSync(keyFile)).toBe(false);
  expect((await registry.version("shapes@1")).services).toEqual([]);
});

const nodes = {
  items: [
    {
      metadata: { name: "node-1" },
      spec: {},
      status: { allocatable: { "xilinx.com/fpga": "1" } },
    },
  ],
};

test("too few devices are found before anything is changed", async () => {
  programs.answer("helm", [notFound]);
  programs.answer("kubectl", [
    { to: "get nodes", stdout: JSON.stringify(nodes) },
    { to: "get pods", stdout: '{"items":[]}' },
  ]);

  const refused = await deploy("--replicas", "2", "--resource", "xilinx.com/fpga");
  const quota = await runInProcess(["quota", "--replicas", "2"]);
  const enough = await runInProcess(["quota", "--replicas", "1"]);

  expect(refused).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("2 wanted, 1 free on 1 node (node-1: 1 of 1)"),
  });
  expect(programs.calls().some(({ args }) => args[0] === "upgrade")).toBe(false);
  expect(quota).toMatchObject({ code: 1, stderr: expect.stringContaining("2 wanted, 1 free") });
  expect(enough).toMatchObject({
    code: 0,
    stdout: "1 wanted, 1 free on 1 node (node-1: 1 of 1)\n",
  });
});

const failedPod = {
  metadata: { name: "shop-1", namespace: "default" },
  spec: { containers: [] },
  status: {
    phase: "Running",
    containerStatuses: [
      { name: "gateway", ready: false, state: { waiting: { reason: "CrashLoopBackOff" } } },
    ],
  },
};
const warning = {
  type: "Warning",
  reason: "BackOff",
  message: "restarting failed container",
  involvedObject: { name: "shop-1" },
};
const failing = [
  { to: "get pods", stdout: JSON.stringify({ items: [failedPod] }) },
  { to: "get events", stdout: JSON.stringify({ items: [warning, warning] }) },
  { to: "logs", stdout: "the last words\n" },
];

test.each([
  {
    name: "taken back",
    before: { to: "get values", stdout: "{}" },
    undo: ["rollback", "shop", "3"],
  },
  { name: "removed", before: notFound, undo: ["uninstall", "shop"] },
])("a roll-out that fails is $name, with the events and last lines of its pods", async (each) => {
  const revisions = [
    { revision: 3, status: "superseded" },
    { revision: 4, status: "failed" },
  ];
  programs.answer("helm", [
    each.before,
    { to: "history", stdout: JSON.stringify(revisions) },
    { to: "upgrade", code: 1, stderr: "level=WARN msg=x\nError: UPGRADE FAILED: timed out\n" },
  ]);
  programs.answer("kubectl", failing);

  const { code, stderr } = await deploy("--wait");

  expect(code).toBe(1);
  expect(stderr).toContain("shop is not ready: UPGRADE FAILED: timed out\n");
  expect(stderr).toContain(
    "pod shop-1: CrashLoopBackOff\n  BackOff: restarting failed container\n  | the last words\n",
  );
  const undone = programs.calls().find(({ args }) => args[0] === each.undo[0]);
  expect(undone?.args.slice(0, each.undo.length)).toEqual(each.undo);
  expect((await registry.version("shapes@1")).services).toEqual([]);
});

test("what cannot be deployed is refused with what to do", async () => {
  programs.answer("helm", [notFound]);
  await registry.register("new", { from: shapes });

  const noImage = await runInProcess(["deploy", "shop", "--models", "new@1"]);
  const name = await runInProcess(["deploy", "Shop", "--models", "new@1"]);
  const twice = await deploy("--models", "shapes@1");
  const edge = await runInProcess(["deploy", "edge", "device.local", "--model", "shapes@1"]);
  process.env["PATH"] = "/nonexistent";
  const noHelm = await deploy();

  expect(noImage.stderr).toContain("new@1 has no pushed image; build one: tensorgate image build");
  expect(name).toMatchObject({ code: 2, stderr: expect.stringContaining('service "Shop"') });
  expect(twice).toMatchObject({ code: 2, stderr: expect.stringContaining("named twice") });
  expect(edge.stderr).toContain("no pushed image with a server");
  expect(noHelm.stderr).toContain("helm is not installed; see https://helm.sh");
});

test("clusters are made by az, and only with --yes", async () => {
  programs.answer("az", []);
  const create = ["cluster", "create", "--region", "eastus", "--size", "Standard_NP10s"];

  const shown = await runInProcess(create);
  expect(shown.code).toBe(2);
  expect(shown.stdout).toContain(
    "az aks create --resource-group tensorgate --name tensorgate --location eastus --node-vm-size Standard_NP10s --node-count 1 --generate-ssh-keys\n",
  );
  expect(programs.calls()).toEqual([]);

  expect((await runInProcess([...create, "--yes"])).code).toBe(0);
  expect((await runInProcess(["cluster", "wait"])).code).toBe(0);
  expect((await runInProcess(["cluster", "delete", "--yes"])).code).toBe(0);
  expect(programs.calls().map(({ args }) => args.slice(0, 2).join(" "))).toEqual([
    ...["group create", "aks create", "aks wait", "aks get-credentials"],
    ...["aks wait", "aks delete"],
  ]);

  programs.answer("az", [{ to: "aks", code: 1, stderr: "ERROR: Please run 'az login'" }]);
  const refused = await runInProcess(["cluster", "delete", "--yes"]);
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("log in: az login") });
});

test("the machines that Azure has left are listed", async () => {
  const usage = [
    { currentValue: "10", limit: "30", localName: "Standard NP Family vCPUs" },
    { currentValue: "1", limit: "2", localName: "Other" },
  ];
  programs.answer("az", [{ to: "vm list-usage", stdout: JSON.stringify(usage) }]);

  const { stdout } = await runInProcess(["quota", "--provider-region", "eastus", "--family", "np"]);

  expect(stdout).toBe("Standard NP Family vCPUs: 20 of 30 free in eastus\n");
});

test("scale keeps every other value, and takes the chart that the service was deployed with", async () => {
  const values = {
    gateway: { replicas: 2 },
    models: [{ name: "shapes", version: "1", replicas: 1 }],
  };
  programs.answer("helm", [{ to: "get values", stdout: JSON.stringify(values) }]);
  const scale = ["scale", "shop", "--model", "shapes", "--replicas", "3"];

  expect((await runInProcess([...scale, "--chart", "./our-chart"])).code).toBe(0);

  const [upgrade] = programs.calls().filter(({ args }) => args[0] === "upgrade");
  expect(upgrade?.args.slice(0, 3)).toEqual(["upgrade", "shop", "./our-chart"]);
  const models = [{ name: "shapes", version: "1", replicas: 3 }];
  expect(JSON.parse(upgrade?.input ?? "null")).toEqual({ ...values, models });
});

test.each([
  {
    what: "a model",
    values: {
      models: [{ name: "m", version: "1", autoscale: { minReplicas: 1, maxReplicas: 9 } }],
    },
    flags: ["--model", "m"],
    says: "m is autoscaled from 1 to 9 replicas; deploy shop with another --autoscale",
  },
  {
    what: "the gateways",
    values: { gateway: { autoscaling: { kind: "hpa" } } },
    flags: [],
    says: "the gateways are autoscaled; deploy shop with other values of gateway.autoscaling",
  },
])("scale of $what is refused while an autoscaler decides", async ({ values, flags, says }) => {
  programs.answer("helm", [{ to: "get values", stdout: JSON.stringify(values) }]);

  const { code, stderr } = await runInProcess(["scale", "shop", ...flags, "--replicas", "3"]);

  expect(code).toBe(1);
  expect(stderr).toContain(says);
  expect(programs.calls().some(({ args }) => args[0] === "upgrade")).toBe(false);
});

test("devices that are autoscaled by processor time are reported", async () => {
  programs.answer("helm", [notFound, status]);
  programs.answer("kubectl", [
    { to: "get nodes", stdout: JSON.stringify(nodes) },
    { to: "get pods", stdout: '{"items":[]}' },
  ]);
  const autoscaled = () => deploy("--resource", "xilinx.com/fpga", "--autoscale", "1..4");

  expect((await autoscaled()).stderr).toContain(
    "set prometheus.address (-f) to scale by the queue",
  );
  programs.answer("helm", [notFound, status, { to: "template", stdout: "kind: ScaledObject\n" }]);
  expect((await autoscaled()).stderr).not.toContain("prometheus.address");
});

test("a cluster that cannot be reached is reported without kubectl's log", async () => {
  const log = 'E1130 04:45:39.814528   22724 memcache.go:265] "Unhandled Error" err="x"\n';
  const why = "The connection to the server localhost:8080 was refused";
  programs.answer("kubectl", [{ to: "get", code: 1, stderr: `${log}${log}${why}\n` }]);

  const { code, stderr } = await runInProcess(["quota"]);

  expect(code).toBe(1);
  expect(stderr).toMatch(new RegExp(`^tensorgate: kubectl get [a-z -]+ failed: ${why}\\n$`));
});

test("status says how many devices of the kind that the service uses are free", async () => {
  const running = {
    metadata: { name: "shop-shapes-1", namespace: "default" },
    spec: {
      nodeName: "node-1",
      containers: [{ resources: { limits: { "xilinx.com/fpga": "1" } } }],
    },
    status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
  };
  programs.answer("helm", [status]);
  programs.answer("kubectl", [
    { to: "get nodes", stdout: JSON.stringify(nodes) },
    { to: "get pods", stdout: JSON.stringify({ items: [running] }) },
  ]);

  const { code, stdout } = await runInProcess(["status", "shop"]);

  expect(code).toBe(0);
  expect(stdout).toContain("1/1 pods ready");
  expect(stdout).toContain("no free xilinx.com/fpga in the cluster (1 in use)\n");

  const asJson = await runInProcess(["status", "shop", "--json"]);
  expect(JSON.parse(asJson.stdout)).toMatchObject({
    service: "shop",
    revision: 4,
    pods: [{ name: "shop-shapes-1", state: "ready", node: "node-1", restartCount: 0 }],
    devices: [{ resource: "xilinx.com/fpga", freeCount: 0, nodes: [{ node: "node-1" }] }],
    unready: [],
  });
});
