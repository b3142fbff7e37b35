import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type ModelVersion, openRegistry, type Registry } from "@tensorgate/registry";
import { CommandError } from "../command-error.ts";
import { createEdgeHost, type EdgeHostOptions } from "../deploy/edge-host.ts";
import { compose, type EdgeUnit, quadlet, stopSeconds } from "../deploy/edge-unit.ts";
import { carryOut, type PlanOptions, type PlanStep } from "../deploy/plan.ts";
import { explainRegistryError, recordService } from "../deploy/service-values.ts";

export interface EdgeOptions extends EdgeHostOptions, PlanOptions {
  readonly registry: string;
  /** Reference, such as `resnet50@1`. */
  readonly model: string;
  readonly port: number;
  /** Device files that the container gets, such as `/dev/xclmgmt0`. */
  readonly device?: readonly string[];
  readonly output?: string;
  /** Installs it by ssh. */
  readonly install?: boolean;
  /** Lets another model go. */
  readonly replace?: boolean;
}

/**
 * Writes how an edge device runs a model, as a Quadlet for systemd and podman, and as a compose file; or installs one of
 * them by ssh.
 */
export async function runDeployEdge(host: string, options: EdgeOptions): Promise<void> {
  const registry = openRegistry(options.registry);
  const version = await registry.version(options.model).catch(explainRegistryError);
  const unit: EdgeUnit = {
    which: `${version.name}@${version.version}`,
    host,
    port: options.port,
    device: options.device ?? [],
    reference: serverImage(version),
  };
  if (options.install) return installOn(host, { registry, version, unit, options });
  const files = { "tensorgate-model.container": quadlet(unit), "compose.yaml": compose(unit) };
  for (const [file, text] of Object.entries(files)) {
    if (options.output === undefined) {
      process.stdout.write(`# ${file}\n${text}\n`);
      continue;
    }
    await mkdir(options.output, { recursive: true });
    await writeFile(join(options.output, file), text);
    process.stdout.write(`${join(options.output, file)}\n`);
  }
}

function serverImage({ name, version, images }: ModelVersion): string {
  const image = images.find(({ isPushed, base }) => isPushed && base !== undefined);
  if (image) return `${image.reference.replace(/:[^:/]+$/, "")}@sha256:${image.sha256}`;
  throw new CommandError(
    `${name}@${version} has no pushed image with a server; build one: tensorgate image build ${name}@${version} --name registry.example/${name}-server:${version} --base registry.example/tensorgate:VERSION --push`,
  );
}

interface Installation {
  readonly registry: Registry;
  readonly version: ModelVersion;
  readonly unit: EdgeUnit;
  readonly options: EdgeOptions;
}

/** Installs a model on a device that runs none, or another version of it; another model only if that is meant. */
async function installOn(
  name: string,
  { registry, version, unit, options }: Installation,
): Promise<void> {
  const host = createEdgeHost(name, options);
  const text = options.runtime === "podman" ? quadlet(unit) : compose(unit);
  const before = await host.installed();
  const running = before && runningIn(before);
  if (before === text) {
    await host.assertRunning();
    process.stdout.write(`${name} runs ${unit.which} already\n`);
    return;
  }
  if (running && modelOf(running) !== version.name && !options.replace) {
    throw new CommandError(
      `${name} runs ${running}, and its device holds one model; give --replace to run ${unit.which} in its place`,
    );
  }
  const record: PlanStep = {
    kind: "device",
    name,
    text: running
      ? `${unit.which} runs in place of ${running}, whose calls had ${stopSeconds} s to end`
      : `${unit.which} runs`,
    command: `tensorgate deploy edge ${name} --install --model ${unit.which}`,
    run: async () => {
      await recordService(registry, edgeUse(name), [version]);
      return [];
    },
  };
  await carryOut("install", [...host.install(text, unit), record], options);
}

/** Name by which the registry knows a device. */
const edgeUse = (host: string) => `edge:${host}`;

/** The first line of the file says which model it is for. */
const runningIn = (file: string) => /^# (\S+) on /.exec(file)?.[1] ?? "another container";

const modelOf = (which: string) => which.split("@")[0];

export interface DeleteEdgeOptions extends EdgeHostOptions, PlanOptions {
  readonly registry: string;
}

/** Stops what a device runs, and removes its file. */
export async function runDeleteEdge(name: string, options: DeleteEdgeOptions): Promise<void> {
  const registry = openRegistry(options.registry);
  const host = createEdgeHost(name, options);
  const before = await host.installed();
  if (before === undefined) throw new CommandError(`${name} runs no model of tensorgate`);
  const record: PlanStep = {
    kind: "device",
    name,
    text: `the record that ${name} runs ${runningIn(before)}`,
    command: `tensorgate delete edge ${name}`,
    run: async () => {
      await recordService(registry, edgeUse(name), []);
      return [];
    },
  };
  await carryOut("delete", [...host.remove(), record], options);
}
