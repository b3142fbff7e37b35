import { CommandError, UsageError } from "../command-error.ts";
import type { PlanStep } from "../deploy/plan.ts";
import { runProgram } from "../deploy/programs.ts";

export interface ClusterOptions {
  readonly provider: string;
  readonly name: string;
  readonly group: string;
  readonly yes?: boolean;
}

export interface CreateClusterOptions extends ClusterOptions {
  readonly region: string;
  readonly size: string;
  readonly count: number;
}

/** Creates a cluster, and makes it the one that kubectl reaches. */
export function runClusterCreate(options: CreateClusterOptions): Promise<void> {
  const { name, group, region, size, count } = options;
  const at = ["--resource-group", group, "--name", name];
  const machines = ["--node-vm-size", size, "--node-count", String(count)];
  return runSteps(options, [
    ["group", "create", "--name", group, "--location", region],
    ["aks", "create", ...at, "--location", region, ...machines, "--generate-ssh-keys"],
    ["aks", "wait", ...at, "--created", "--interval", "15"],
    ["aks", "get-credentials", ...at],
  ]);
}

/** Waits until a cluster that is being created is there. */
export function runClusterWait(options: ClusterOptions): Promise<void> {
  const { name, group } = options;
  const at = ["--resource-group", group, "--name", name];
  const wait = ["aks", "wait", ...at, "--created", "--interval", "15"];
  return runSteps({ ...options, yes: true }, [wait]);
}

/** Deletes a cluster with everything that runs in it. The resource group stays. */
export function runClusterDelete(options: ClusterOptions): Promise<void> {
  return runSteps(options, [deletionCall(options)]);
}

const deletionCall = ({ name, group }: ClusterOptions) =>
  ["aks", "delete", "--resource-group", group, "--name", name, "--yes"] as const;

/** Deletes a cluster as a step of a longer deletion. */
export function clusterDeletion(options: ClusterOptions): PlanStep {
  const { name, group } = options;
  return {
    kind: "cluster",
    name,
    text: `cluster ${name} in resource group ${group}: az ${deletionCall(options).join(" ")}`,
    command: `tensorgate cluster delete --name ${name} --group ${group} --yes`,
    run: async () => {
      await runCall(deletionCall(options));
      return [];
    },
  };
}

/** Shows the calls of the provider's program, and runs them if the user agrees. */
async function runSteps(
  { provider, yes = false }: ClusterOptions,
  steps: readonly (readonly string[])[],
): Promise<void> {
  if (provider !== "aks") throw new UsageError(`unknown provider "${provider}"; providers: aks`);
  for (const args of steps) process.stdout.write(`az ${args.map(shown).join(" ")}\n`);
  if (!yes) throw new UsageError("nothing is done; give --yes to run this, which may cost money");
  for (const args of steps) await runCall(args);
}

async function runCall(args: readonly string[]): Promise<void> {
  const startedMs = performance.now();
  try {
    await runProgram("az", [...args, "--only-show-errors", "--output", "none"], { isShown: true });
  } catch (thrown) {
    if (!(thrown instanceof CommandError)) throw thrown;
    const hint = /az login|AADSTS|not logged in/i.test(thrown.message) ? "; log in: az login" : "";
    throw new CommandError(`${thrown.message}${hint}`);
  }
  const seconds = Math.round((performance.now() - startedMs) / 1_000);
  process.stderr.write(`${args.slice(0, 2).join(" ")}: done in ${seconds} s\n`);
}

const shown = (arg: string) =>
  /^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", "'\\''")}'`;
