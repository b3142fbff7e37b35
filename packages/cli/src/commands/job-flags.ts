import type { Command } from "commander";
import { onDemand } from "./on-demand.ts";
import { onRegistryFolder } from "./registry-flags.ts";

const runJobCancel = onDemand(async () => (await import("./job.ts")).runJobCancel);
const runJobList = onDemand(async () => (await import("./job.ts")).runJobList);
const runJobLog = onDemand(async () => (await import("./job.ts")).runJobLog);
const runJobShow = onDemand(async () => (await import("./job.ts")).runJobShow);
const runJobWait = onDemand(async () => (await import("./job.ts")).runJobWait);

/** Adds the commands on jobs, such as conversions. */
export function addJobCommands(command: Command): void {
  command.description("follow and cancel jobs: conversions, builds of images, deployments");
  onRegistryFolder(command.command("list", { isDefault: true }))
    .description("print the jobs of the registry")
    .addHelpText("after", "\nExample:\n  tensorgate job list")
    .action((options) => runJobList(options));
  const onJob = [
    { name: "show", does: "show the state of a job", run: runJobShow },
    { name: "log", does: "print the log of a job", run: runJobLog },
    {
      name: "wait",
      does: "wait until a job has ended; exit code 1 unless it is done",
      run: runJobWait,
    },
    { name: "cancel", does: "end a job", run: runJobCancel },
  ];
  for (const { name, does, run } of onJob) {
    onRegistryFolder(command.command(`${name} <id>`))
      .description(does)
      .addHelpText("after", `\nExample:\n  tensorgate job ${name} 7f3a`)
      .action((id: string, options) => run(id, options));
  }
}
