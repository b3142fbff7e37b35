import { type Command, Option } from "commander";
import { edgeRuntimes } from "../deploy/edge-host.ts";
import { collected, portOption } from "../option-parsers.ts";
import { inRegistry } from "./deploy-flags.ts";
import { onDemand } from "./on-demand.ts";

const runDeleteEdge = onDemand(async () => (await import("./edge.ts")).runDeleteEdge);
const runDeployEdge = onDemand(async () => (await import("./edge.ts")).runDeployEdge);

/** Adds the options and the action of `deploy edge`. */
export function addDeployEdge(command: Command): void {
  onHost(inRegistry(command))
    .description(
      "write how an edge device with one FPGA runs a model (a Quadlet and a compose file), or install it by ssh",
    )
    .addOption(
      new Option("--model <reference>", "version, such as resnet50@1").makeOptionMandatory(),
    )
    .addOption(portOption("--port <number>", "port", 8_500))
    .addOption(
      new Option("--device <path>", "device file for the container; repeatable").argParser(
        collected,
      ),
    )
    .option("-o, --output <folder>", "write the files rather than print them")
    .option("--install", "install it on the host by ssh; the plan is shown first")
    .option("--replace", "let another model go that the host runs")
    .addHelpText(
      "after",
      "\nExamples:\n  tensorgate deploy edge device.local --model resnet50@1 -o ./edge\n  tensorgate deploy edge root@device.local --model resnet50@1 --install --yes",
    )
    .action((host: string, options) => runDeployEdge(host, options));
}

/** Adds the options and the action of `delete edge`. */
export function addDeleteEdge(command: Command): void {
  onHost(inRegistry(command))
    .description("stop the model of an edge device, and remove its file, by ssh")
    .addHelpText("after", "\nExample:\n  tensorgate delete edge root@device.local --yes")
    .action((host: string, options) => runDeleteEdge(host, options));
}

function onHost(command: Command): Command {
  return command
    .addOption(
      new Option("--runtime <name>", "what runs containers on the host: by a Quadlet, or Compose")
        .choices(edgeRuntimes)
        .default("podman"),
    )
    .option("--sudo", "run the commands on the host by sudo")
    .option("--yes", "do not ask")
    .option("--json", "write JSON: a line with the plan, and one for each step");
}
