import { type Command, InvalidArgumentError, Option } from "commander";
import { collected, keyOption, parseCount, urlOption } from "../option-parsers.ts";
import { onDemand } from "./on-demand.ts";
import { onRegistryFolder, parseTag } from "./registry-flags.ts";

const runTeach = onDemand(async () => (await import("./teach.ts")).runTeach);

/** Adds the command that teaches new classes. */
export function addTeachCommand(command: Command): void {
  onRegistryFolder(command)
    .description("teach new classes on the features of a model: a folder for each class")
    .addOption(
      new Option(
        "--from <folder>",
        "folder with a folder of pictures for each class",
      ).makeOptionMandatory(),
    )
    .addOption(
      new Option(
        "--features <model>",
        "model of the gateway whose features are used",
      ).makeOptionMandatory(),
    )
    .addOption(urlOption())
    .addOption(keyOption())
    .addOption(
      new Option("--holdout <share>", "share of the pictures that is held out to measure with")
        .argParser(parseHoldout)
        .default(0.2),
    )
    .addOption(
      new Option("--seed <number>", "seed of the split; the same gives the same head")
        .argParser(parseSeed)
        .default(1),
    )
    .option(
      "--merge [onnx]",
      "also write backbone and head as one ONNX model; the backbone's file is found in the registry if it is not named",
    )
    .addOption(
      new Option("--alias <name>", "alias that names the version; repeatable").argParser(collected),
    )
    .addOption(
      new Option("--tag <key=value>", "tag of the version; repeatable").argParser(parseTag),
    )
    .addOption(
      new Option("--concurrency <number>", "pictures sent concurrently")
        .argParser(parseCount)
        .default(8),
    )
    .addHelpText(
      "after",
      "\nExamples:\n  tensorgate teach cats --from ./images --features resnet50\n  tensorgate teach cats --from ./images --features lite0 --holdout 0.3 --merge lite0.onnx --alias champion",
    )
    .action((name: string, options) => runTeach(name, options));
}

function parseHoldout(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= 0 && value <= 0.9) return value;
  throw new InvalidArgumentError("Expected a number from 0 to 0.9");
}

function parseSeed(text: string): number {
  const value = Number(text);
  if (/^\d{1,9}$/.test(text)) return value;
  throw new InvalidArgumentError("Expected a whole number below 1000000000");
}
