import { existsSync } from "node:fs";
import {
  counted,
  defaultSignatureName,
  ScoringError,
  SettingError,
  UpstreamFailedError,
} from "@tensorgate/core";
import {
  type BackendCapabilities,
  createGateway,
  type GatewayOptions,
  inspectBackend,
  type PoolOptions,
  parseConfig,
  systemClockAndRandom,
  testPicture,
} from "@tensorgate/gateway";
import {
  type DetectorPresetName,
  type Dialect,
  type FamilyName,
  familyNames,
} from "@tensorgate/tf-serving";
import { backendAddress } from "../attach/backend-address.ts";
import { writeConfig } from "../attach/config-file.ts";
import { configText } from "../attach/config-text.ts";
import { describedBackend } from "../attach/described-backend.ts";
import { describedByManifest } from "../attach/described-by-manifest.ts";
import { describedHttpServer } from "../attach/http-server.ts";
import { CommandError } from "../command-error.ts";
import { runService, type Service } from "../service/service.ts";
import type { Signals } from "../service/signals.ts";
import { runGateway } from "../telemetry/run-gateway.ts";

export interface AttachOptions {
  readonly model?: string;
  readonly dialect?: Dialect;
  readonly family?: FamilyName;
  readonly detector?: DetectorPresetName;
  readonly service?: string;
  readonly keyEnv?: string;
  readonly ca?: string;
  readonly region: string;
  readonly output?: string;
  readonly force?: boolean;
  readonly serve?: boolean;
  readonly port: number;
  readonly adminPort: number;
  readonly timeout: number;
}

/** Common names of models: defaults, those of topologies, and those of the embedded model server. */
const commonNames = [
  ...["model", "default", "resnet", "resnet50", "resnet_50", "resnet152", "resnet_152"],
  ...["densenet", "densenet121", "densenet_121", "vgg", "vgg16", "vgg_16", "ssd", "ssd_vgg"],
  ...familyNames,
  ...["shapes", "shapes-detector"],
];

/**
 * Inspects a running backend, writes a configuration for it, sends a test picture through a gateway with that
 * configuration, and serves it with `--serve`.
 */
export async function runAttach(
  target: string,
  options: AttachOptions,
  signals: Signals,
): Promise<void> {
  // The gateway's connections to replicas do not keep the process alive.
  const alive = setInterval(() => {}, 60_000);
  try {
    const config = await attach(target, options);
    if (options.serve) {
      await runService({ signals }, (service) => serveUntilSignal(config, options, service));
    }
  } finally {
    clearInterval(alive);
  }
}

/** Inspects a backend and writes a configuration for it. @returns the configuration */
export async function attach(target: string, options: AttachOptions): Promise<GatewayOptions> {
  const { output, force = false } = options;
  if (output !== undefined && existsSync(output) && !force) {
    throw new CommandError(`${output} already exists; use --force to overwrite it`);
  }
  const { address, isTls } = backendAddress(target);
  const reached = {
    ...(isTls && { tls: options.ca === undefined ? {} : { ca: options.ca } }),
    ...(options.keyEnv !== undefined && { key: { env: options.keyEnv } }),
    ...(options.service !== undefined && { service: options.service }),
  };
  printLine(`inspecting ${address}`);
  const findings = await inspected(address, () =>
    inspectBackend({
      address,
      ...reached,
      ...(options.dialect && { dialect: options.dialect }),
      models: options.model === undefined ? commonNames : [options.model],
      timeoutMs: options.timeout,
      clock: systemClockAndRandom.clock,
    }),
  );
  printCapabilities(findings);
  const { model: described, doubts } =
    describedByManifest(findings, options) ?? describedBackend(findings, options);
  const isNameless = !findings.namesModels && options.model === undefined;
  const { signatureName = defaultSignatureName, otherSignatures = [] } = findings;
  const model = {
    ...described,
    ...(isNameless && { name: described.family ?? "model" }),
    ...(signatureName !== defaultSignatureName && { signature: signatureName }),
  };
  const others = otherSignatures.map((name) => `"${name}"`).join(", ");
  const signatureDoubts = others
    ? [`the signature "${signatureName}" is used; the model also has ${others}`]
    : [];
  const failure = findings.failure ? [`a test picture failed: ${findings.failure.message}`] : [];
  const allDoubts = [...signatureDoubts, ...doubts, ...failure];
  const pool: PoolOptions = {
    model: model.name,
    region: options.region,
    dialect: findings.dialect,
    replicas: [address],
    ...reached,
  };
  const text = configText({
    region: options.region,
    model,
    pool,
    doubts: allDoubts,
    origin: `Written by tensorgate attach for ${address}.`,
  });
  for (const doubt of allDoubts) printLine(`check: ${doubt}`);
  if (output === undefined) process.stdout.write(text);
  else {
    writeConfig(output, text);
    printLine(`wrote ${output}`);
  }
  // Parsed from the text, so that the gateway serves what the file says.
  const config = parseConfig(text, output ?? "the configuration");
  await tryPicture(config, options.timeout);
  return config;
}

async function inspected(
  address: string,
  inspect: () => Promise<BackendCapabilities>,
): Promise<BackendCapabilities> {
  try {
    return await inspect();
  } catch (thrown) {
    if (thrown instanceof SettingError) throw new CommandError(thrown.message);
    if (!ScoringError.is(thrown)) throw thrown;
    if (thrown instanceof UpstreamFailedError) {
      const server = await describedHttpServer(address);
      if (server !== undefined) throw new CommandError(`${address} is ${server}`);
      if (thrown.isUnprocessed) {
        throw new CommandError(`no gRPC server answers: ${causeText(thrown)}`);
      }
    }
    const { message, hint, cause } = thrown;
    const reason = cause instanceof Error && cause.message !== "" ? ` (${cause.message})` : "";
    throw new CommandError(`${message}${reason}${hint === undefined ? "" : `\n  ${hint}`}`);
  }
}

function causeText({ cause, message }: Error): string {
  return cause instanceof Error ? cause.message : message;
}

function foundText(findings: BackendCapabilities): string {
  const { title, namesModels, server, model, versions } = findings;
  if (!namesModels) return `found ${title}`;
  const name = server === undefined ? title : `${server || "a server"} (${title})`;
  const version = versions.length > 0 ? `, version ${versions.join(", ")}` : "";
  return `found ${name} with model "${model}"${version}`;
}

function printCapabilities(findings: BackendCapabilities): void {
  const { signature, signatureName, outputs, isSeeded } = findings;
  printLine(foundText(findings));
  if (isSeeded) printLine("  its weights are random; its results are meaningless");
  if (signatureName !== undefined) printLine(`  signature ${signatureName}`);
  for (const [name, { dtype, shape }] of signature?.inputs ?? []) {
    printLine(`  input ${name}: ${dtype} [${shape ?? "any shape"}]`);
  }
  for (const [name, { dtype, shape }] of signature?.outputs ?? outputs) {
    printLine(`  output ${name}: ${dtype} [${shape ?? "any shape"}]`);
  }
}

/** Scores the test picture as a caller would. */
async function tryPicture(config: GatewayOptions, timeoutMs: number): Promise<void> {
  const gateway = createGateway({ ...config, listen: { port: 0 } });
  try {
    await gateway.listen();
    await Promise.race([gateway.ready(), delay(timeoutMs)]);
    const catalog = await fetch(`${gateway.url}/v1/catalog`);
    const { models } = (await catalog.json()) as { models: { name: string; task: string }[] };
    const [model] = models;
    if (!model || model.task === "predict") return;
    const response = await fetch(
      `${gateway.url}/v1/${model.task}/${encodeURIComponent(model.name)}`,
      { method: "POST", body: new Uint8Array(testPicture) },
    );
    printLine(outcome(response.status, await response.text()));
  } finally {
    await gateway.close(0);
  }
}

interface FirstAnswer {
  readonly detail?: string;
  readonly hint?: string;
  readonly results?: readonly {
    readonly labels?: readonly { readonly label: string; readonly score: number }[];
    readonly boxes?: readonly unknown[];
    readonly features?: readonly unknown[];
  }[];
}

function outcome(status: number, text: string): string {
  const { detail = "", hint = "", results = [] } = JSON.parse(text) as FirstAnswer;
  if (status !== 200) return `the test picture failed with ${status}: ${detail} ${hint}`;
  const [first] = results;
  const best = first?.labels?.[0];
  if (best) return `the test picture is "${best.label}", score ${best.score}`;
  if (first?.boxes) return `the test picture gives ${counted(first.boxes.length, "box", "boxes")}`;
  return `the test picture gives ${counted(first?.features?.length ?? 0, "feature")}`;
}

function delay(delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    systemClockAndRandom.clock.setTimer(delayMs, resolve);
  });
}

async function serveUntilSignal(
  config: GatewayOptions,
  { port, adminPort }: AttachOptions,
  { log, stopped, announce }: Service,
): Promise<void> {
  const options = { ...config, listen: { ...config.listen, port } };
  const admin = { host: "127.0.0.1", port: adminPort };
  const running = await runGateway({ options, admin, isAdminNeeded: false, log });
  const { url } = running.gateway;
  const name = config.pools[0]?.model ?? "";
  const model = config.models?.[0];
  const isDetector = model?.family === "ssd-vgg" || model?.detector !== undefined;
  const task = isDetector ? "detect" : "classify";
  announce(
    `ready: ${url}\n\n  try it:\n  curl --data-binary @picture.jpg ${url}/v1/${task}/${encodeURIComponent(name)}\n\n`,
  );
  await stopped;
  log.info("stopping: draining calls in flight");
  await running.close();
}

/** Prints a line for the user on standard error; standard output has the configuration. */
function printLine(line: string): void {
  process.stderr.write(`${line}\n`);
}
