import { type Command, Option } from "commander";
import { inCluster, inRegistry, namedCluster } from "./deploy-flags.ts";
import { addDeleteEdge } from "./edge-flags.ts";
import { onDemand } from "./on-demand.ts";

const runDeleteCluster = onDemand(async () => (await import("./delete.ts")).runDeleteCluster);
const runDeleteImages = onDemand(async () => (await import("./delete.ts")).runDeleteImages);
const runDeleteModel = onDemand(async () => (await import("./delete.ts")).runDeleteModel);
const runDeleteService = onDemand(async () => (await import("./delete.ts")).runDeleteService);

/** Adds `delete SERVICE`, `delete cluster`, `delete image` and `delete model`. */
export function addDeleteCommands(command: Command): void {
  planned(inCluster(command.argument("<service>")))
    .description(
      "delete a service in a cluster, a cluster, images or a model; the plan comes first",
    )
    .option("--cascade", "then its images, and then its versions in the registry")
    .option("--record-only", "forget a service whose cluster is gone; no cluster is changed")
    .addHelpText(
      "after",
      "\nExamples:\n  tensorgate delete shop\n  tensorgate delete shop --cascade --yes\n  tensorgate delete model resnet50@1 --cascade",
    )
    .action((service: string, options) => runDeleteService(service, options));
  planned(namedCluster(command.command("cluster"), "do not ask"))
    .description("delete a cluster that runs no services")
    .option("--context <name>", "context of the kubeconfig; the name of the cluster by default")
    .option("--cascade", "its services before it; their images and versions after it")
    .addHelpText(
      "after",
      "\nExample:\n  tensorgate delete cluster --name tensorgate --cascade --yes",
    )
    .action((options) => runDeleteCluster(options));
  addDeleteEdge(command.command("edge <host>"));
  planned(command.command("image <images...>"))
    .description("delete images in their container registry, their OCI layouts, and their records")
    .addHelpText("after", "\nExample:\n  tensorgate delete image registry.example/resnet50-image:1")
    .action((images: readonly string[], options) => runDeleteImages(images, options));
  planned(command.command("model <reference>"))
    .description("delete a version (name@3), or a model with all of its versions (name)")
    .option("--cascade", "its images and aliases as well")
    .addHelpText(
      "after",
      "\nExamples:\n  tensorgate delete model resnet50@1\n  tensorgate delete model resnet50 --cascade --yes",
    )
    .action((reference: string, options) => runDeleteModel(reference, options));
}

function planned(command: Command): Command {
  const hasYes = command.options.some(({ long }) => long === "--yes");
  return inRegistry(hasYes ? command : command.option("--yes", "do not ask"))
    .option("--json", "write JSON: a line with the plan, and one for each step")
    .addOption(
      new Option(
        "--plain-http",
        "speak HTTP without TLS to the container registry, which is the default for this machine only",
      ),
    );
}
