import {
  type GatewayOptions,
  type ModelOptions,
  type SimulatedOutages,
  systemClockAndRandom,
} from "@tensorgate/gateway";
import type { ModelFolder } from "@tensorgate/model-server";
import type { FamilyName } from "@tensorgate/tf-serving";
import { CommandError } from "../command-error.ts";
import { createChildSupervisor, type Supervisor } from "../demo/child-supervisor.ts";
import { assertFreePort } from "../demo/free-port.ts";
import { modelOptionsFromFolder } from "../demo/model-options.ts";
import { modelServerChildren } from "../demo/model-server-child.ts";
import { createPhotoModel } from "../demo/photo-model.ts";
import { watchHeads } from "../heads/watch-heads.ts";
import { importModelServer } from "../import-model-server.ts";
import { progressLine } from "../progress-line.ts";
import { runService, type Service } from "../service/service.ts";
import type { Signals } from "../service/signals.ts";
import { type RunningGateway, runGateway } from "../telemetry/run-gateway.ts";

export interface DemoOptions {
  readonly port: number;
  readonly adminPort: number;
  readonly models?: string;
  /** Further topologies to serve, with seeded weights. */
  readonly families?: readonly FamilyName[];
  readonly cache?: string;
  /** Whether a model that knows photographs is fetched beside the bundled ones. */
  readonly imagenet: boolean;
  /** Folder of a registry whose heads are served. */
  readonly registry: string;
  /** Origins of pages that may call, besides those of this machine. */
  readonly origin?: readonly string[];
}

/**
 * Pages of this machine, so that code which is copied from the page runs in a development server and in a file. A demo
 * listens on loopback, needs no key and has nothing to keep.
 */
const localOrigins = [
  ...["localhost", "127.0.0.1", "[::1]"].flatMap((host) => [
    `http://${host}:*`,
    `https://${host}:*`,
  ]),
  // A page from a file has no origin.
  "null",
];

/** The first is the region of the gateway; round trips as measured in July 2026. */
const regions = [
  { name: "westeurope", roundTripMs: 0 },
  { name: "eastus", roundTripMs: 90 },
] as const;

/** Grace period for calls in flight, and then for each model server, in milliseconds. */
const graceMs = 5_000;

/** Runs two regions of embedded model servers and a gateway in front, until a signal stops it. */
export function runDemo(options: DemoOptions, signals: Signals): Promise<void> {
  return runService({ signals }, (service) => demoUntilSignal(options, service));
}

async function demoUntilSignal(
  options: DemoOptions,
  { log, stopped, announce }: Service,
): Promise<void> {
  const { port, adminPort, models, families = [], cache, imagenet, origin = [] } = options;
  await assertFreePort({ host: "127.0.0.1", port });
  const { findModels, bundledModelsDirectory, defaultCacheFolder } = await importModelServer();
  const directory = models ?? bundledModelsDirectory;
  const cacheFolder = cache ?? defaultCacheFolder();
  const photo =
    imagenet && models === undefined
      ? createPhotoModel({ cacheFolder, findModels, log })
      : undefined;
  // Generated once, so that every model server finds them.
  const folders = readable(() => [
    ...findModels({ directory }),
    ...findModels({ families, cacheFolder }, (progress) => log.info(progressLine(progress))),
    ...(photo?.folders ?? []),
  ]);

  log.info(`starting a model server in ${regions.map(({ name }) => name).join(" and ")}`);
  const supervisors = regions.map(({ name, roundTripMs }) =>
    createChildSupervisor({
      startChild: modelServerChildren([
        ...["--models", directory, "--cache", cacheFolder],
        ...(families.length > 0 ? ["--family", families.join(",")] : []),
        ...(photo ? ["--registry", photo.source.directory] : []),
        ...(roundTripMs > 0 ? ["--round-trip", String(roundTripMs)] : []),
      ]),
      onDeath: () => log.info(`the model server of ${name} ended; restarting it`),
      onReturn: () => log.info(`the model server of ${name} is running again`),
      ...systemClockAndRandom,
    }),
  );
  const fetching = new AbortController();
  let running: RunningGateway | undefined;
  try {
    const started = Promise.all(supervisors.map((supervisor) => supervisor.start()));
    const ports = await Promise.race([started, stopped.then(() => undefined)]);
    if (!ports) return;
    let served = folders;
    using heads = await watchHeads({
      directory: options.registry,
      configured: () => served.map(modelOptionsFromFolder),
      log,
      clock: systemClockAndRandom.clock,
    });
    const withHeads = (): GatewayOptions => {
      const { models, pools } = servedFrom(served, ports);
      return { ...gatewayOptions, models: [...models, ...heads.models], pools };
    };
    const gatewayOptions: GatewayOptions = {
      region: regions[0].name,
      listen: { host: "127.0.0.1", port },
      crossSite: { origins: [...localOrigins, ...origin] },
      // So that a region returns soon after its outage ends.
      routing: { maxEjectionMs: 1_000 },
      ...servedFrom(folders, ports),
    };
    const admin = { host: "127.0.0.1", port: adminPort };
    running = await runGateway({
      options: withHeads(),
      admin,
      isAdminNeeded: false,
      log,
      outages: outagesOf(supervisors),
      hasSamples: true,
    });
    await Promise.race([running.gateway.ready(), stopped]);
    heads.watch(() => reloadHeads(running, withHeads(), log));
    announce(welcome(running, gatewayOptions));
    if (photo && photo.folders.length === 0) {
      void photo.fetch(fetching.signal).then((folder) => {
        if (!folder) return;
        served = [...folders, folder];
        running?.gateway.reload(withHeads());
        log.info(`serving ${folder.name}: ${folder.manifest?.description ?? ""}`);
      });
    }
    await stopped;
    log.info("stopping: draining calls in flight");
  } finally {
    fetching.abort();
    await running?.close({ graceMs });
    await stopAll(supervisors);
  }
}

/** Returns the models of folders, each served in every region. */
function servedFrom(
  folders: readonly ModelFolder[],
  ports: readonly number[],
): Required<Pick<GatewayOptions, "models" | "pools">> {
  return {
    models: folders.map(modelOptionsFromFolder),
    pools: folders.flatMap(({ name: model }) =>
      regions.map(({ name: region }, index) => ({
        model,
        region,
        replicas: [`127.0.0.1:${ports[index]}`],
      })),
    ),
  };
}

/** Serves the heads that are registered now. */
function reloadHeads(
  running: RunningGateway | undefined,
  options: GatewayOptions,
  log: Service["log"],
): void {
  try {
    running?.gateway.reload(options);
    const heads = (options.models ?? []).filter(({ head }) => head).map(({ name }) => name);
    log.info(`heads of the registry: ${heads.join(", ") || "none"}`);
  } catch (thrown) {
    log.warn(`heads of the registry are not served: ${(thrown as Error).message}`);
  }
}

/** Returns the simulated outages, which kill and restart the model server of a region. */
function outagesOf(supervisors: readonly Supervisor[]): SimulatedOutages {
  const of = (region: string) => supervisors[regions.findIndex(({ name }) => name === region)];
  return {
    list: () =>
      regions.map(({ name }) => ({ region: name, hasOutage: of(name)?.hasOutage ?? true })),
    begin: (region) => of(region)?.beginOutage(),
    end: async (region) => of(region)?.endOutage(),
  };
}

function readable<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (thrown) {
    const isFolder = thrown instanceof Error && thrown.name === "ModelFolderError";
    throw isFolder ? new CommandError(thrown.message) : thrown;
  }
}

async function stopAll(supervisors: readonly Supervisor[]): Promise<void> {
  await Promise.all(supervisors.map((supervisor) => supervisor.stop(graceMs)));
}

/** Returns the call to try: of a trained model, if there is one, with a sample that the gateway serves. */
function callToTry(url: string, models: readonly ModelOptions[]): string {
  const best = models.find(({ weights }) => weights === "trained") ?? models[0];
  if (!best) return `curl ${url}/v1/catalog`;
  const outputs = Object.values(best.output ?? {});
  const isDetector = best.family === "ssd-vgg" || outputs.some(({ holds }) => holds === "boxes");
  const [sample, task] = isDetector ? ["scene-1", "detect"] : ["star", "classify"];
  const target = `${url}/v1/${task}/${encodeURIComponent(best.name)}`;
  return `curl -s ${url}/samples/${sample}.jpg | curl --data-binary @- ${target}`;
}

/** Returns the ready line, and a call to try from any folder. */
function welcome({ gateway: { url }, adminUrl }: RunningGateway, { models = [] }: GatewayOptions) {
  return [
    `ready: ${url}`,
    "",
    "  try it:",
    `  ${callToTry(url, models)}`,
    "",
    `  API reference: ${url}/docs/`,
    ...(adminUrl ? [`  metrics: ${adminUrl}/metrics`] : []),
    "",
    "  Press Ctrl-C to stop.",
    "",
  ].join("\n");
}
