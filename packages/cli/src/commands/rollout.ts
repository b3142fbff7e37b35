import type { RolloutReport, ShadowReport } from "@tensorgate/gateway";
import { CommandError } from "../command-error.ts";
import { adminJson } from "../rollout/admin-json.ts";
import { writeWorstPairs } from "../rollout/worst-pairs.ts";

export interface RolloutAdminOptions {
  readonly adminUrl: string;
  readonly json?: boolean;
}

export interface RolloutStartOptions extends RolloutAdminOptions {
  readonly to: bigint;
  readonly from?: bigint;
  readonly steps?: readonly number[];
  readonly every?: number;
  readonly abortIf?: readonly string[];
  readonly minCalls?: number;
  readonly sticky?: "key" | "session" | "none";
  readonly shadow?: number;
  readonly floor?: number;
  readonly basePath?: string;
  /** In milliseconds. */
  readonly timeout?: number;
}

/** Starts a rollout. */
export async function runRolloutStart(model: string, options: RolloutStartOptions): Promise<void> {
  const { to, from, steps, every, abortIf, minCalls, sticky, shadow } = options;
  const { floor, basePath, timeout: timeoutMs } = options;
  const request = {
    to: String(to),
    ...(from !== undefined && { from: String(from) }),
    ...(steps && { steps }),
    ...(every !== undefined && { everyMs: every }),
    ...(abortIf && { abortIf }),
    ...(minCalls !== undefined && { minCalls }),
    ...(sticky && { sticky }),
    ...(shadow !== undefined && { shadowShare: shadow }),
    // JSON omits undefined values.
    floor,
    basePath,
    timeoutMs,
  };
  print(await adminJson<RolloutReport>(options.adminUrl, path(model, "start"), request), options);
}

export type RolloutCommand = "promote" | "abort" | "undo";

/** Promotes, aborts or undoes a rollout. */
export async function runRolloutCommand(
  model: string,
  command: RolloutCommand,
  options: RolloutAdminOptions,
): Promise<void> {
  print(await adminJson<RolloutReport>(options.adminUrl, path(model, command), {}), options);
}

/** Prints the rollouts of a gateway, or that of a model. */
export async function runRolloutStatus(
  model: string | undefined,
  options: RolloutAdminOptions,
): Promise<void> {
  const { rollouts } = await adminJson<{ rollouts: readonly RolloutReport[] }>(
    options.adminUrl,
    "/rollouts",
  );
  const shown = rollouts.filter((each) => model === undefined || each.model === model);
  if (model !== undefined && shown.length === 0) {
    throw new CommandError(
      `${model} has no rollout; start one: tensorgate rollout start ${model} --to VERSION`,
    );
  }
  if (shown.length === 0 && !options.json) process.stdout.write("no rollouts\n");
  for (const report of shown) print(report, options);
}

export interface ShadowCommandOptions extends RolloutAdminOptions {
  readonly version?: bigint;
  readonly share: number;
  readonly keepPictures?: boolean;
  /** File to write a page to. */
  readonly page?: string;
  readonly stop?: boolean;
}

/** Shadows a version, ends that, or prints what the shadow said so far. */
export async function runShadow(model: string, options: ShadowCommandOptions): Promise<void> {
  const { version, share, keepPictures = false, page, stop, adminUrl } = options;
  if (page !== undefined) return writeWorstPairs(model, page, adminUrl);
  if (version === undefined && !stop) return runRolloutStatus(model, options);
  const request = version === undefined ? {} : { version: String(version), share, keepPictures };
  print(await adminJson<RolloutReport>(adminUrl, path(model, "shadow"), request), options);
}

const path = (model: string, what: string) => `/rollouts/${encodeURIComponent(model)}/${what}`;

function print(report: RolloutReport, { json }: RolloutAdminOptions): void {
  const lines = json ? [JSON.stringify(report)] : reportText(report);
  process.stdout.write(`${lines.join("\n")}\n`);
}

/** Says how a rollout is doing, a line for each thing. */
export function reportText(report: RolloutReport): readonly string[] {
  const { model, weights, running, shadow, history, revision, waitsFor, devices, leaving } = report;
  const shares = weights
    ? Object.entries(weights)
        .filter(([, share]) => share > 0)
        .map(([version, share]) => `version ${version} ${percent(share)}`)
        .join(", ")
    : "the latest version gets all calls";
  return [
    `${model}: ${shares} (revision ${revision})`,
    ...(running
      ? [
          `  step ${running.step + 1} of ${running.plan.steps.length}, ${Math.round(running.stepMs / 1_000)} of ${Math.round(running.plan.everyMs / 1_000)} s; version ${running.plan.to}: ${running.to.calls} calls, ${running.to.failures} failed`,
        ]
      : []),
    ...(devices ? [devicesText(devices)] : []),
    ...(leaving ? [`  devices leave version ${leaving.version}`] : []),
    ...(waitsFor === undefined
      ? []
      : [`  ${running ? "the next step waits" : "now"}: ${waitsFor}`]),
    ...(shadow ? shadowText(shadow) : []),
    ...history.slice(-3).map(({ text }) => `  ${text}`),
  ];
}

function devicesText({ serving, floor }: NonNullable<RolloutReport["devices"]>): string {
  const counts = Object.entries(serving).map(
    ([version, count]) => `${count} ${count === 1 ? "serves" : "serve"} version ${version}`,
  );
  return `  devices: ${counts.join(", ") || "none serves"}; floor ${floor}`;
}

function shadowText(shadow: ShadowReport): readonly string[] {
  const { version, share, compared, failed, dropped, top1, top5, iou, distance } = shadow;
  const about = `  shadow: version ${version}, ${percent(share)} of the calls; ${compared} compared, ${failed} failed, ${dropped} dropped`;
  if (top1 === undefined || top5 === undefined || iou === undefined || distance === undefined) {
    return [about];
  }
  const { answerMs = 0, shadowMs = 0 } = shadow;
  return [
    about,
    `  top-1 agreement ${percent(top1)}, top-5 ${percent(top5)}, score distance ${distance.toFixed(3)}, box IoU ${iou.toFixed(3)}; ${answerMs.toFixed(0)} ms, shadow ${shadowMs.toFixed(0)} ms`,
    ...shadow.worst
      .filter((pair) => pair.distance > 0)
      .slice(0, 5)
      .map(
        ({ requestId, answer, shadow: other }) =>
          `  worst: ${answer} | ${other} (request ${requestId.slice(0, 8)})`,
      ),
  ];
}

const percent = (share: number) => `${Number((share * 100).toFixed(1))} %`;
