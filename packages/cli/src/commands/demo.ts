import { existsSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { consoleFiles } from "@tensorgate/console";
import {
  createGateway,
  type Gateway,
  type GatewayOptions,
  systemClockAndRandom,
} from "@tensorgate/gateway";
import { CommandError, explainedListenError } from "../command-error.ts";
import { childSupervisor, type Supervisor } from "../demo/child-supervisor.ts";
import { modelOptionsFromFolder } from "../demo/model-options.ts";
import { modelServerChildren } from "../demo/model-server-child.ts";
import { importModelServer } from "../import-model-server.ts";
import { logInternalError, note } from "../note.ts";
import { untilStopped } from "../until-stopped.ts";

export interface DemoOptions {
  readonly port: number;
  readonly models?: string;
}

/** The first is where the gateway is. */
const regions = ["westeurope", "eastus"] as const;

/** How long a stop waits for calls in flight, and then for each model server, in milliseconds. */
const graceMs = 5_000;

/** Runs two regions of embedded model servers and a gateway in front, until it is stopped. */
export async function runDemo({ port, models }: DemoOptions): Promise<void> {
  const stopped = untilStopped();
  const { findModels, bundledModelsDirectory } = await importModelServer();
  const directory = models ?? bundledModelsDirectory;
  const folders = readable(() => findModels({ directory }));

  note(`starting a model server in ${regions.join(" and ")}`);
  const startChild = modelServerChildren(directory);
  const supervisors = regions.map((region) =>
    childSupervisor({
      startChild,
      onDeath: () => note(`the model server of ${region} ended; starting it again`),
      onReturn: () => note(`the model server of ${region} is back`),
      ...systemClockAndRandom,
    }),
  );
  let gateway: Gateway | undefined;
  try {
    const started = Promise.all(supervisors.map((supervisor) => supervisor.start()));
    const ports = await Promise.race([started, stopped]);
    if (!ports) return;
    const options: GatewayOptions = {
      region: regions[0],
      listen: { host: "127.0.0.1", port },
      models: folders.map(modelOptionsFromFolder),
      pools: folders.flatMap(({ name: model }) =>
        regions.map((region, index) => ({
          model,
          region,
          replicas: [`127.0.0.1:${ports[index]}`],
        })),
      ),
    };
    gateway = createGateway(options, {
      console: consoleFiles(),
      onInternalError: logInternalError,
    });
    await listen(gateway, port);
    await Promise.race([gateway.ready(), stopped]);
    process.stdout.write(welcome(gateway.url));
    await stopped;
    note("stopping: finishing what is in flight");
  } finally {
    await gateway?.close(graceMs);
    await stopAll(supervisors);
  }
}

function readable<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (thrown) {
    const isFolder = thrown instanceof Error && thrown.name === "ModelFolderError";
    throw isFolder ? new CommandError(thrown.message) : thrown;
  }
}

async function listen(gateway: Gateway, port: number): Promise<void> {
  try {
    await gateway.listen();
  } catch (thrown) {
    throw explainedListenError(thrown, { host: "127.0.0.1", port });
  }
}

async function stopAll(supervisors: readonly Supervisor[]): Promise<void> {
  await Promise.all(supervisors.map((supervisor) => supervisor.stop(graceMs)));
}

const samplePicture = fileURLToPath(
  new URL("../../../../examples/pictures/star.jpg", import.meta.url),
);

/** The ready line, and a call to try that works where the user stands. */
function welcome(url: string): string {
  const picture = existsSync(samplePicture)
    ? relative(process.cwd(), samplePicture)
    : "picture.jpg";
  return [
    `ready: ${url}`,
    "",
    "  try it:",
    `  curl --data-binary @${picture} -H 'content-type: image/jpeg' ${url}/v1/classify/shapes`,
    "",
    "  Ctrl-C stops it.",
    "",
  ].join("\n");
}
