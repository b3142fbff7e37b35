/** The architecture, executable: ARCHITECTURE.md explains it, a test plants a violation of every rule. */
const test = "\\.test\\.ts$";
const ours = "^(packages/[^/]+/|proto/)";
const stage = (name) => `^packages/gateway/src/${name}/`;
const folder = (name) => (name === "proto" ? "^proto/" : `^packages/${name}/`);

/** Each package, and the packages of ours that it may import. */
const packages = {
  core: [],
  "client-core": ["core"],
  grpc: [],
  "tf-serving": ["core", "grpc", "proto"],
  "open-inference": ["core"],
  teaching: ["core"],
  savedmodel: ["core", "proto", "tf-serving"],
  imaging: ["core"],
  "oci-image": ["core"],
  registry: ["core", "oci-image"],
  gateway: ["core", "grpc", "proto", "tf-serving", "open-inference", "teaching", "imaging"],
  "model-server": ["core", "grpc", "proto", "tf-serving", "savedmodel", "imaging", "registry"],
  client: ["client-core", "core", "grpc", "proto", "tf-serving"],
  "web-client": ["client-core", "core"],
  console: ["core", "proto", "teaching", "web-client"],
  cli: [
    "core",
    "grpc",
    "proto",
    "tf-serving",
    "client",
    "registry",
    "oci-image",
    "savedmodel",
    "teaching",
    "gateway",
    "model-server",
    "console",
  ],
};

/** Each stage of the gateway, and what else of ours it may import. */
const stages = {
  capacity: ["core"],
  devices: ["core", "grpc"],
  inbound: ["core", "grpc", "proto", "tf-serving", "open-inference"],
  models: ["core", "tf-serving", "teaching", "imaging"],
  pipeline: ["core"],
  rollout: ["core"],
  routing: ["core"],
  sharing: ["core"],
  telemetry: ["core"],
  upstream: ["core", "grpc", "open-inference", "proto", "tf-serving"],
};

/** Bounds of settings, which every stage's options are made of, names that stand for regions, and the reading of files. */
const settingFiles =
  "^packages/gateway/src/(setting-schemas|node-region|node-modules|regular-file|kubernetes-account)\\.ts$";

/** Files beside the stages that know several of them: the gateway, what it shows, and what looks over all settings. */
const meeting = ["gateway", "gateway-api", "index", "meaning", "credential-faults", "worker-share"];

/** Each heavy dependency, and its one home. */
const homes = {
  sharp: "^packages/(imaging/src/open-picture|console/build-page)\\.ts$",
  "onnxruntime-node": "^packages/model-server/src/",
  "@grpc/grpc-js": "^packages/(model-server/src/|client/src/serving/)",
  "@connectrpc":
    "^packages/(gateway/src/inbound|client/src|console/page/regions|cli/src/registry/admin)/",
  vite: "^packages/console/build-page\\.ts$",
  "@opentelemetry": "^packages/(gateway/src/(telemetry/|gateway(-api)?\\.ts$)|cli/src/telemetry/)",
  "lru-cache": "^packages/gateway/src/pipeline/",
  pino: "^packages/cli/src/telemetry/",
  yaml: "^packages/gateway/src/config/",
  commander: "^packages/cli/src/",
  "@azure": "^packages/registry/src/objects/azure-container\\.ts$",
};

const rule = (name, from, to) => ({ name, severity: "error", from, to });

/** @type {import("dependency-cruiser").IConfiguration} */
export default {
  forbidden: [
    rule("no-cycles", {}, { circular: true }),
    rule(
      "core-imports-nothing",
      { path: "^packages/core/src/", pathNot: test },
      { pathNot: "^packages/core/src/" },
    ),
    ...Object.entries(packages).map(([name, allowed]) =>
      rule(
        `${name}-imports-only-its-own`,
        { path: `${folder(name)}(src|page)/`, pathNot: test },
        { path: ours, pathNot: [name, ...allowed].map(folder) },
      ),
    ),
    ...Object.entries(stages).map(([name, allowed]) =>
      rule(
        `stage-${name}-imports-only-its-own`,
        { path: stage(name), pathNot: test },
        { path: ours, pathNot: [stage(name), settingFiles, ...allowed.map(folder)] },
      ),
    ),
    rule(
      "server-knows-no-protocol",
      { path: stage("inbound/server"), pathNot: test },
      { path: stage("inbound/(access|protocols)") },
    ),
    rule(
      "access-knows-no-protocol",
      { path: stage("inbound/access"), pathNot: test },
      { path: stage("inbound/(server|protocols)") },
    ),
    rule(
      "protocols-know-no-other",
      { path: "^packages/gateway/src/inbound/protocols/([^/]+)/", pathNot: test },
      { path: stage("inbound/protocols/[^/]+"), pathNot: stage("inbound/protocols/$1") },
    ),
    rule(
      "one-runner-for-all-protocols",
      { path: "^packages/gateway/src/inbound/protocols/[^/]+$", pathNot: test },
      { path: stage("inbound/protocols/[^/]+") },
    ),
    rule(
      "manifests-know-only-models",
      { path: stage("manifests"), pathNot: test },
      {
        path: ours,
        pathNot: [
          stage("manifests"),
          "options\\.ts$",
          `${stage("upstream")}read-manifest\\.ts$`,
          "^packages/gateway/src/system-clock\\.ts$",
          ...["core", "grpc", "tf-serving"].map(folder),
        ],
      },
    ),
    rule(
      "stages-meet-in-the-gateway",
      {
        path: "^packages/gateway/src/[^/]+\\.ts$",
        pathNot: [test, `/(${meeting.join("|")})\\.ts$`],
      },
      { path: "^packages/gateway/src/[^/]+/" },
    ),
    rule(
      "gateway-decodes-no-picture",
      { path: "^packages/(gateway/src|imaging/src/index)", pathNot: test },
      { path: "^packages/imaging/src/(decode|open-picture)\\.ts$" },
    ),
    rule(
      "simulation-is-not-published",
      { path: "^packages/[^/]+/src/", pathNot: test },
      { path: "^packages/gateway/simulation/" },
    ),
    rule(
      "config-knows-only-options",
      { path: stage("config"), pathNot: test },
      { path: ours, pathNot: [stage("config"), settingFiles, folder("core"), "/options\\.ts$"] },
    ),
    // An import of them loads more than most gateways use: node-modules.ts.
    rule(
      "node-modules-on-demand",
      {
        path: "^packages/(gateway/src|cli/src/telemetry)/",
        pathNot: [test, "/node-modules\\.ts$"],
      },
      { path: "^(node:)?(http|https|http2|tls)$", dependencyTypesNot: ["type-only"] },
    ),
    ...Object.entries(homes).map(([name, home]) =>
      rule(
        `${name.replace("@", "").replace("/", "-")}-has-one-home`,
        { path: "^packages/", pathNot: [home, test] },
        { path: `node_modules/${name}(/|$)` },
      ),
    ),
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    // Not every dist: the entries of packages in node_modules lie in folders of that name too.
    exclude: { path: "^packages/[^/]+/dist/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.base.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["@tensorgate/source", "import", "types", "default"],
    },
  },
};
