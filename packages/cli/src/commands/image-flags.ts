import { type Command, Option } from "commander";
import type { Signals } from "../service/signals.ts";
import { onDemand } from "./on-demand.ts";
import { onRegistryFolder, parseTag } from "./registry-flags.ts";

const runImageBuild = onDemand(async () => (await import("./image.ts")).runImageBuild);
const runImageDelete = onDemand(async () => (await import("./image.ts")).runImageDelete);
const runImageList = onDemand(async () => (await import("./image.ts")).runImageList);

/** Adds the commands on images of models. */
export function addImageCommands(command: Command, signals: Signals): void {
  command.description("build container images of models, without Docker");
  onRegistryFolder(command.command("build <reference>"))
    .description("build an image of a version: a base with the model, or the model alone")
    .addOption(
      new Option(
        "--name <image>",
        "name of the image, such as registry.example/resnet50-image:1",
      ).makeOptionMandatory(),
    )
    .option(
      "--base <image>",
      "image that runs the model: a reference, or the folder of an OCI layout (./base)",
    )
    .option("--model-only", "nothing but /models/<name>/<version>, for image volumes")
    .option("--push", "push it to the registry of its name")
    .option("-o, --output <folder>", "write it as an OCI layout")
    .addOption(
      new Option("--label <key=value>", "label of the image; repeatable").argParser(parseTag),
    )
    .option("--description <text>", "description; by default that of the version")
    .option("--platform <platform>", "such as linux/arm64; by default that of this machine")
    .option("--plain-http", "speak HTTP without TLS, which is the default for this machine only")
    .addHelpText(
      "after",
      "\nExamples:\n  tensorgate image build resnet50@1 --name registry.example/resnet50-image:1 --model-only --push\n  tensorgate image build resnet50@1 --name resnet50-server:1 --base registry.example/tensorgate:0.1.0 -o ./image",
    )
    .action((reference: string, options) => runImageBuild(reference, options, signals));
  onRegistryFolder(command.command("list", { isDefault: true }))
    .description("print the images of the registry with their builds")
    .addOption(
      new Option("--label <key=value>", "only images with this label; repeatable").argParser(
        parseTag,
      ),
    )
    .addHelpText("after", "\nExample:\n  tensorgate image list --label team=vision")
    .action((options) => runImageList(options));
  onRegistryFolder(command.command("delete <image>"))
    .description("delete an image in its container registry, its OCI layout, and its record")
    .option("--plain-http", "speak HTTP without TLS, which is the default for this machine only")
    .addHelpText("after", "\nExample:\n  tensorgate image delete registry.example/resnet50-image:1")
    .action((image: string, options) => runImageDelete(image, options));
}
