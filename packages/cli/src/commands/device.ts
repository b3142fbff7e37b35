import { readFileSync } from "node:fs";
import type { DeviceReport, SwapReport } from "@tensorgate/gateway";
import { CommandError } from "../command-error.ts";
import { type AdminClient, createAdminClient } from "../device/admin-client.ts";
import { createStepLines } from "../device/step-lines.ts";
import { aligned } from "./list-models.ts";

export interface DeviceOptions {
  readonly adminUrl: string;
  readonly json?: boolean;
}

/** Prints the devices of a gateway and their models. */
export async function runDeviceList({ adminUrl, json }: DeviceOptions): Promise<void> {
  const devices = await createAdminClient(adminUrl).devices();
  if (json) return print(devices.map((device) => JSON.stringify(device)));
  if (devices.length === 0) {
    throw new CommandError("the gateway has no devices; set exclusive: true in a pool");
  }
  print(aligned([heading, ...devices.map(cells)]));
}

const heading = ["device", "address", "region", "state", "model", "version", "calls", "could hold"];

function cells(device: DeviceReport): readonly string[] {
  const { alias, address, region, state, model = "", version = "", isOut, models } = device;
  const calls = isOut ? "excluded" : state === "ready" ? "yes" : "no";
  return [alias, address, region, state, model, version, calls, models.join(" ")];
}

export interface DeviceSwapOptions extends DeviceOptions {
  readonly version?: bigint;
  readonly basePath?: string;
  readonly device?: readonly string[];
  readonly count?: number;
  readonly floor?: number;
  readonly force?: boolean;
  /** Path of a picture. */
  readonly golden?: string;
  readonly expect?: string;
  /** In milliseconds. */
  readonly timeout?: number;
}

/** Swaps the model of devices, and prints every step; the exit code is 1 unless the swap succeeds. */
export async function runDeviceSwap(model: string, options: DeviceSwapOptions): Promise<void> {
  const client = createAdminClient(options.adminUrl);
  const id = await client.swap(requestOf(model, options));
  if (options.json) {
    for await (const step of client.progress(id)) print([JSON.stringify(step)]);
  } else {
    await showProgress(client, id);
  }
  const report = await client.report(id);
  if (report.state !== "done") throw new CommandError(endOf(report));
}

async function showProgress(client: AdminClient, id: string): Promise<void> {
  const { stdout, stderr } = process;
  const shown = createStepLines({ out: stdout, terminal: stderr, nowMs: () => performance.now() });
  if (stderr.isTTY) {
    stderr.write(
      `swap ${id} started; it continues after Ctrl-C; to abort: tensorgate device abort ${id}\n`,
    );
  }
  const ticking = setInterval(shown.tick, 1_000).unref();
  try {
    for await (const step of client.progress(id)) shown.step(step);
  } finally {
    clearInterval(ticking);
    shown.end();
  }
}

function requestOf(model: string, options: DeviceSwapOptions): object {
  const { version, basePath, device, count, force, golden, expect: label } = options;
  const { timeout: timeoutMs } = options;
  const floor = force ? 0 : options.floor;
  const picture = golden === undefined ? undefined : pictureOf(golden);
  // JSON omits undefined values.
  return {
    model,
    version: version === undefined ? undefined : String(version),
    basePath,
    replicas: device,
    count,
    floor,
    timeoutMs,
    ...((picture !== undefined || label !== undefined) && { golden: { picture, label } }),
  };
}

function pictureOf(path: string): string {
  try {
    return readFileSync(path).toString("base64");
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new CommandError(`cannot read the golden picture: ${reason}`);
  }
}

/** Aborts the swap with `id`, or the one in progress. */
export async function runDeviceAbort(
  id: string | undefined,
  { adminUrl, json }: DeviceOptions,
): Promise<void> {
  const client = createAdminClient(adminUrl);
  const report = await client.abort(id ?? (await idInProgress(client)));
  if (json) return print([JSON.stringify(report)]);
  const isAborting = report.state === "aborting";
  print([isAborting ? `swap ${report.id} stops after the current device` : endOf(report)]);
}

async function idInProgress(client: AdminClient): Promise<string> {
  const running = (await client.swaps()).find(({ state }) => /^(running|aborting)$/.test(state));
  if (running) return running.id;
  throw new CommandError("no swap is in progress");
}

function endOf({ id, state, because }: SwapReport): string {
  const how = state === "done" || state === "aborted" ? `is ${state}` : state;
  return because === undefined ? `swap ${id} ${how}` : `swap ${id} ${how}: ${because}`;
}

function print(lines: readonly string[]): void {
  if (lines.length > 0) process.stdout.write(`${lines.join("\n")}\n`);
}
