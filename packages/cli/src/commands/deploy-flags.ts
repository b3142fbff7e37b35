import { type Command, InvalidArgumentError, Option } from "commander";
import { collected, parseCount, parseFloor } from "../option-parsers.ts";
import type { Signals } from "../service/signals.ts";
import { onDemand } from "./on-demand.ts";

const runClusterCreate = onDemand(async () => (await import("./cluster.ts")).runClusterCreate);
const runClusterDelete = onDemand(async () => (await import("./cluster.ts")).runClusterDelete);
const runClusterWait = onDemand(async () => (await import("./cluster.ts")).runClusterWait);
const runDeploy = onDemand(async () => (await import("./deploy.ts")).runDeploy);
const runCloudQuota = onDemand(async () => (await import("./quota.ts")).runCloudQuota);
const runQuota = onDemand(async () => (await import("./quota.ts")).runQuota);
const runRollback = onDemand(async () => (await import("./service.ts")).runRollback);
const runScale = onDemand(async () => (await import("./service.ts")).runScale);
const runServiceLogs = onDemand(async () => (await import("./service.ts")).runServiceLogs);

/** Resources by which nodes count devices. */
const resources = ["none", "xilinx.com/fpga", "microsoft.com/fpga_catapult", "nvidia.com/gpu"];

/** Adds the commands on services in a cluster, and on clusters. @returns the command `deploy` */
export function addDeployCommands(root: Command, signals: Signals): Command {
  const deploy = root.command("deploy");
  addDeploy(deploy, signals);
  inCluster(root.command("quota"))
    .description("count the free devices of a cluster; exit code 1 if there are too few")
    .addOption(
      new Option("--resource <name>", "kind of device")
        .choices(resources.slice(1))
        .default("xilinx.com/fpga"),
    )
    .addOption(countOption("--replicas <number>", "devices that are wanted", 1))
    .option(
      "--provider-region <region>",
      "ask Azure instead which machines of a region are left (az)",
    )
    .option("--family <text>", "of machines, with --provider-region")
    .addHelpText(
      "after",
      "\nExamples:\n  tensorgate quota --resource xilinx.com/fpga --replicas 2\n  tensorgate quota --provider-region eastus --family NP",
    )
    .action(({ providerRegion, family, ...options }) =>
      providerRegion === undefined
        ? runQuota(options)
        : runCloudQuota({ region: providerRegion, ...(family && { family }) }),
    );
  inCluster(root.command("logs <service>"))
    .description("print the logs of a service in a cluster")
    .option("-f, --follow", "until Ctrl-C")
    .addOption(countOption("--tail <number>", "lines of each pod", 50))
    .addHelpText("after", "\nExample:\n  tensorgate logs shop --tail 20")
    .action((service: string, options) => runServiceLogs(service, options));
  inRegistry(inCluster(root.command("rollback <service>")))
    .description("take a service in a cluster back to an earlier revision")
    .addOption(new Option("--revision <number>", "the one before by default").argParser(parseCount))
    .addHelpText("after", "\nExample:\n  tensorgate rollback shop")
    .action((service: string, options) => runRollback(service, options, signals));
  inCluster(root.command("scale <service>"))
    .description("change the number of replicas of a model, or of the gateways")
    .addOption(
      new Option("--replicas <number>", "replicas").argParser(parseFloor).makeOptionMandatory(),
    )
    .option("--model <name>", "model; the gateways by default")
    .option("--chart <folder>", "the chart that the service was deployed with, if it is not ours")
    .addHelpText("after", "\nExample:\n  tensorgate scale shop --model resnet50 --replicas 4")
    .action((service: string, options) => runScale(service, options));
  addClusterCommands(root.command("cluster"));
  return deploy;
}

function addDeploy(command: Command, signals: Signals): void {
  inRegistry(inCluster(command.argument("<service>")))
    .description("deploy models with gateways to the Kubernetes cluster that kubectl reaches")
    .addOption(
      new Option(
        "--models <references>",
        "versions, separated by commas, such as resnet50@champion",
      )
        .argParser(parseReferences)
        .makeOptionMandatory(),
    )
    .addOption(countOption("--replicas <number>", "replicas of each model", 1))
    .addOption(countOption("--gateways <number>", "gateways", 2))
    .addOption(
      new Option("--resource <name>", "device of each replica").choices(resources).default("none"),
    )
    .addOption(
      new Option("--autoscale <range>", "replicas of each model, such as 1..10").argParser(
        parseRange,
      ),
    )
    .addOption(
      new Option("--image <image>", "image of the gateways and model servers").env(
        "TENSORGATE_IMAGE",
      ),
    )
    .option(
      "--region <name>",
      "region of the gateways, or kubernetes:///region or kubernetes:///zone: those of the nodes",
      "local",
    )
    .addOption(
      new Option("-f, --values <file>", "further values of the chart; repeatable").argParser(
        collected,
      ),
    )
    .option("--chart <folder>", "another chart than the one of this package")
    .option("--no-auth", "let every client call that reaches the service")
    .option("--key-file <file>", "file for the key that is created once (./SERVICE.key)")
    .option("--wait", "wait until all pods are ready, score a test image, and roll back on failure")
    .addOption(countOption("--timeout <seconds>", "of --wait", 300))
    .option("--diff", "print the difference to the cluster, and change nothing")
    .option("--dry-run", "let the cluster check it, and change nothing")
    .option("--manifests", "print the manifests, for GitOps, and change nothing")
    .addHelpText(
      "after",
      "\nExamples:\n  tensorgate deploy shop --models resnet50@champion,ssd@3 --replicas 2 --wait\n  tensorgate deploy shop --models resnet50@4 --resource xilinx.com/fpga --diff\n  tensorgate deploy edge device.local --model resnet50@1",
    )
    .action((service: string, options) => runDeploy(service, options, signals));
}

function addClusterCommands(command: Command): void {
  command.description("create, wait for and delete clusters, by the provider's own program");
  const create = namedCluster(command.command("create"))
    .description("create a cluster (az aks); the calls are shown, and run with --yes")
    .option("--region <name>", "region", "eastus")
    .option("--size <size>", "size of its machines", "Standard_D4s_v5")
    .addOption(countOption("--count <number>", "machines", 1));
  create
    .addHelpText(
      "after",
      "\nExample:\n  tensorgate cluster create --provider aks --region eastus --size Standard_NP10s --count 1 --yes",
    )
    .action((options) => runClusterCreate(options));
  namedCluster(command.command("wait"))
    .description("wait until a cluster is there")
    .addHelpText("after", "\nExample:\n  tensorgate cluster wait --name tensorgate")
    .action((options) => runClusterWait(options));
  namedCluster(command.command("delete"))
    .description("delete a cluster with everything that runs in it")
    .addHelpText("after", "\nExample:\n  tensorgate cluster delete --name tensorgate --yes")
    .action((options) => runClusterDelete(options));
}

/** Adds the options that name a cluster of a provider. */
export function namedCluster(command: Command, agreement = "run it"): Command {
  return command
    .addOption(new Option("--provider <name>", "provider").choices(["aks"]).default("aks"))
    .option("--name <name>", "name of the cluster", "tensorgate")
    .option("--group <name>", "resource group", "tensorgate")
    .option("--yes", agreement);
}

/** Adds the options that name a place in a cluster. */
export function inCluster(command: Command): Command {
  return command
    .option("-n, --namespace <name>", "namespace", "default")
    .option("--context <name>", "context of the kubeconfig");
}

/** Adds the option that names a registry. */
export function inRegistry(command: Command): Command {
  return command.addOption(
    new Option("--registry <folder>", "folder of the registry")
      .env("TENSORGATE_REGISTRY")
      .default("./registry"),
  );
}

function countOption(flags: string, description: string, value: number): Option {
  return new Option(flags, description).argParser(parseCount).default(value);
}

function parseReferences(text: string, before: readonly string[] = []): readonly string[] {
  const names = text.split(",").map((name) => name.trim());
  if (names.every((name) => name !== "")) return [...before, ...names];
  throw new InvalidArgumentError("Expected versions such as resnet50@champion,ssd@3");
}

function parseRange(text: string): { readonly minReplicas: number; readonly maxReplicas: number } {
  const [minReplicas = 0, maxReplicas = 0] = text.split("..").map(Number);
  const isRange = /^\d+\.\.\d+$/.test(text) && minReplicas >= 1 && maxReplicas >= minReplicas;
  if (isRange && maxReplicas <= 1_000) return { minReplicas, maxReplicas };
  throw new InvalidArgumentError("Expected a range such as 1..10");
}
