import { Argument, type Command, InvalidArgumentError, Option } from "commander";
import { collected, parseMilliseconds, parseVersion } from "../option-parsers.ts";
import type { Signals } from "../service/signals.ts";
import { onDemand } from "./on-demand.ts";

const runRegister = onDemand(async () => (await import("./registry.ts")).runRegister);
const runRegistryAlias = onDemand(async () => (await import("./registry.ts")).runRegistryAlias);
const runRegistryDelete = onDemand(async () => (await import("./registry.ts")).runRegistryDelete);
const runRegistryList = onDemand(async () => (await import("./registry.ts")).runRegistryList);
const runRegistryShow = onDemand(async () => (await import("./registry.ts")).runRegistryShow);
const runRegistryTag = onDemand(async () => (await import("./registry.ts")).runRegistryTag);
const runRegistryConvert = onDemand(
  async () => (await import("./registry-convert.ts")).runRegistryConvert,
);
const runRegistryPull = onDemand(
  async () => (await import("./registry-transfer.ts")).runRegistryPull,
);
const runRegistryPush = onDemand(
  async () => (await import("./registry-transfer.ts")).runRegistryPush,
);

/** Adds the commands on a registry of models. */
export function addRegistryCommands(command: Command, signals: Signals): void {
  command.description("register models and manage their versions, aliases and tags");
  onRegistryFolder(command.command("register <name>"))
    .description("copy a model into the registry as a new version")
    .addOption(
      new Option(
        "--from <path>",
        "folder with saved_model.pb, model.onnx or a frozen graph, or the file of one: .onnx, .pb",
      ).makeOptionMandatory(),
    )
    .option("--description <text>", "description of the version")
    .addOption(
      new Option("--tag <key=value>", "tag of the version; repeatable").argParser(parseTag),
    )
    .addOption(
      new Option("--alias <name>", "alias that names the version; repeatable").argParser(collected),
    )
    .addOption(
      new Option("--version <number>", "version; by default the highest plus one").argParser(
        parseVersion,
      ),
    )
    .addHelpText(
      "after",
      "\nExamples:\n  tensorgate registry register resnet50 --from ~/models/resnet50 --tag team=vision\n  tensorgate registry register resnet50 --from resnet50.onnx --alias champion",
    )
    .action((name: string, options) => runRegister(name, options));
  addConvertCommand(command.command("convert <reference>"), signals);
  onRegistryFolder(command.command("list", { isDefault: true }))
    .description("print the models of the registry")
    .addHelpText("after", "\nExample:\n  tensorgate registry list --registry /srv/registry")
    .action((options) => runRegistryList(options));
  onRegistryFolder(command.command("show <reference>"))
    .description("show a version: name (the latest), name@3, name@alias, models:/name/3")
    .addHelpText(
      "after",
      "\nExamples:\n  tensorgate registry show resnet50@1\n  tensorgate registry show resnet50@champion --json",
    )
    .action((reference: string, options) => runRegistryShow(reference, options));
  onRegistryFolder(command.command("alias <name> <alias> [version]"))
    .description("make an alias name a version")
    .option("--remove", "remove the alias")
    .addHelpText(
      "after",
      "\nExamples:\n  tensorgate registry alias resnet50 champion 1\n  tensorgate registry alias resnet50 champion --remove",
    )
    .action((name: string, alias: string, version: string | undefined, options) =>
      runRegistryAlias([name, alias, version], options),
    );
  onRegistryFolder(command.command("tag <reference>"))
    .description("set tags of a version (name@3), or of the model itself (name)")
    .addArgument(new Argument("[tags...]", "tags as key=value").argParser(parseTag))
    .addOption(new Option("--remove <key>", "remove a tag; repeatable").argParser(collected))
    .option("--description <text>", "set the description")
    .addHelpText(
      "after",
      "\nExamples:\n  tensorgate registry tag resnet50@1 stage=test owner=vision\n  tensorgate registry tag resnet50@1 --remove stage",
    )
    .action((reference: string, tags: Readonly<Record<string, string>> | undefined, options) =>
      runRegistryTag(reference, tags ?? {}, options),
    );
  onRegistryFolder(command.command("delete <reference>"))
    .description("delete a version (name@3), or a model without versions (name)")
    .addHelpText("after", "\nExample:\n  tensorgate registry delete resnet50@1")
    .action((reference: string, options) => runRegistryDelete(reference, options));
  onRegistryFolder(command.command("push <reference> <target>"))
    .description(
      "copy a version to a container registry (oci://) or to Azure Blob Storage (azblob://)",
    )
    .option("--plain-http", "speak HTTP without TLS, which is the default for this machine only")
    .addHelpText(
      "after",
      "\nExamples:\n  tensorgate registry push resnet50@1 oci://registry.example/resnet50:1\n  tensorgate registry push resnet50@1 azblob://account/container/resnet50/1",
    )
    .action((reference: string, target: string, options) =>
      runRegistryPush(reference, target, options),
    );
  onRegistryFolder(command.command("pull <source>"))
    .description(
      "copy a version from a container registry or Azure Blob Storage into this registry",
    )
    .option("--name <name>", "name of the model; by default the one that it was pushed with")
    .option("--plain-http", "speak HTTP without TLS, which is the default for this machine only")
    .addHelpText(
      "after",
      "\nExample:\n  tensorgate registry pull oci://registry.example/resnet50:1",
    )
    .action((source: string, options) => runRegistryPull(source, options));
}

function addConvertCommand(command: Command, signals: Signals): void {
  onRegistryFolder(command)
    .description("convert a SavedModel to ONNX, as a job in its own process")
    .addOption(
      new Option(
        "--inputs <names>",
        "tensors of the graph that are fed, separated by commas; those of the signature by default",
      ).argParser(parseNames),
    )
    .addOption(
      new Option(
        "--outputs <names>",
        "tensors of the graph that are computed; those of the signature by default",
      ).argParser(parseNames),
    )
    .option("--signature <name>", "signature to convert (serving_default)")
    .option(
      "--labels <file>",
      "class names, one per line; or imagenet, pascal-voc, coco, coco-by-number",
    )
    .addOption(
      new Option("--max-nodes <number>", "most nodes that are converted (200000)").argParser(
        parseLimit,
      ),
    )
    .addOption(
      new Option("--memory <megabytes>", "most memory of its process (8590)").argParser(parseLimit),
    )
    .addOption(
      new Option("--timeout <ms>", "most time, in milliseconds (600000)").argParser(
        parseMilliseconds,
      ),
    )
    .option("--no-wait", "return when the job runs; follow it with tensorgate job")
    .addHelpText(
      "after",
      "\nExamples:\n  tensorgate registry convert resnet50@1\n  tensorgate registry convert resnet50@1 --inputs Placeholder:0 --outputs predictions/Softmax:0",
    )
    .action((reference: string, options) => runRegistryConvert(reference, options, signals));
}

const parseNames = (text: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  ...text.split(",").map((name) => name.trim()),
];

function parseLimit(text: string): number {
  const value = Number(text);
  if (/^\d{1,12}$/.test(text) && value > 0) return value;
  throw new InvalidArgumentError("Expected a whole number above 0");
}

/** Adds the options that every command on a registry has. */
export function onRegistryFolder(command: Command): Command {
  return command
    .addOption(
      new Option("--registry <folder>", "folder of the registry")
        .env("TENSORGATE_REGISTRY")
        .default("./registry"),
    )
    .option("--json", "write JSON, a line for each object");
}

/** Reads a tag such as `stage=test`. */
export function parseTag(
  text: string,
  before: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> {
  const at = text.indexOf("=");
  if (at > 0) return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
  throw new InvalidArgumentError(`Expected KEY=VALUE such as stage=test, got ${text}`);
}
