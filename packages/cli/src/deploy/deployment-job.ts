import { maxTimerDelayMs } from "@tensorgate/core";
import { type Job, openJobs, type Registry } from "@tensorgate/registry";
import type { Signals } from "../service/signals.ts";
import type { ClusterTools } from "./cluster-tools.ts";
import { explainRegistryError } from "./service-values.ts";

/** What a deployment does while it is a job. */
export interface DeploymentReport {
  /** Begins the next step. */
  step(text: string): void;
  /** Says a line to the user and to the log. */
  say(line: string): void;
  /** Tools that are stopped when the job is cancelled. */
  readonly tools: ClusterTools;
  /** Aborts when the job is cancelled. */
  readonly signal: AbortSignal;
}

export interface DeploymentJob {
  readonly kind: "deploy" | "rollback";
  readonly service: string;
  readonly tools: ClusterTools;
  readonly signals: Signals;
  /** Of its wait, in seconds; taking it back may last as long again. */
  readonly timeoutSeconds: number;
}

/** Time of a deployment beside its waits, in milliseconds. */
const marginMs = 600_000;

/**
 * Runs a change of a service as a job of the registry, which others can read and cancel while it runs, and waits for its end.
 *
 * @throws what `work` throws; CommandError if another job of the service is running
 */
export async function runDeploymentJob(
  { directory }: Registry,
  { kind, service, tools, signals, timeoutSeconds }: DeploymentJob,
  work: (report: DeploymentReport) => Promise<unknown>,
): Promise<void> {
  const abort = new AbortController();
  const { stopped } = signals.take({ onHangup: "stop", onIgnored: () => {} });
  void stopped.then(() => abort.abort());
  let failure: { readonly thrown: unknown } | undefined;
  const job = await openJobs(directory)
    .runForService(
      { name: service, namespace: tools.namespace },
      {
        kind,
        signal: abort.signal,
        limits: { maxDurationMs: Math.min(2_000 * timeoutSeconds + marginMs, maxTimerDelayMs) },
        work: async (_, { step, log, signal }) => {
          const say = (line: string) => {
            log(line);
            process.stderr.write(`${line}\n`);
          };
          const stoppable = { ...tools, ...stoppedBy(signal, tools) };
          try {
            return await work({ step, say, tools: stoppable, signal });
          } catch (thrown) {
            failure = { thrown };
            throw thrown;
          }
        },
      },
    )
    .catch(explainRegistryError);
  process.stderr.write(`job ${job.id} ${endText(job)}, log ${job.log}\n`);
  if (failure) throw failure.thrown;
}

const stoppedBy = (
  signal: AbortSignal,
  { helm, kubectl }: ClusterTools,
): Pick<ClusterTools, "helm" | "kubectl"> => ({
  helm: (args, options) => helm(args, { signal, ...options }),
  kubectl: (args, options) => kubectl(args, { signal, ...options }),
});

/** The error itself is printed after it. */
function endText({ state, startedAt, endedAt = startedAt }: Job): string {
  const seconds = (Date.parse(endedAt) - Date.parse(startedAt)) / 1_000;
  return state === "done" ? `done in ${seconds.toFixed(0)} s` : state;
}
