import { type Command, Option } from "commander";
import {
  collected,
  parseCount,
  parseFloor,
  parseMilliseconds,
  parseUrl,
  parseVersion,
} from "../option-parsers.ts";
import { onDemand } from "./on-demand.ts";

const runDeviceAbort = onDemand(async () => (await import("./device.ts")).runDeviceAbort);
const runDeviceList = onDemand(async () => (await import("./device.ts")).runDeviceList);
const runDeviceSwap = onDemand(async () => (await import("./device.ts")).runDeviceSwap);

/** Adds the commands that call the admin port of a gateway on the same machine. */
export function addDeviceCommands(command: Command): Command {
  command.description("list and swap devices that hold one model at a time");
  command
    .command("list", { isDefault: true })
    .description("print the model of each device")
    .addOption(adminUrlOption())
    .option("--json", "write a JSON object for each device")
    .addHelpText("after", "\nExample:\n  tensorgate device list")
    .action((options) => runDeviceList(options));
  command
    .command("swap <model>")
    .description("load another model on devices, one at a time, without dropping calls")
    .addOption(adminUrlOption())
    .addOption(
      new Option(
        "--version <number>",
        "version of the model; a device with another one unloads that first (any version)",
      ).argParser(parseVersion),
    )
    .option("--base-path <folder>", "folder of the model on the device")
    .addOption(
      new Option("--device <name>", "device to use, by alias or address; repeatable").argParser(
        collected,
      ),
    )
    .addOption(
      new Option("--count <number>", "number of devices that hold the model in the end (1)")
        .argParser(parseCount)
        .conflicts("device"),
    )
    .addOption(
      new Option("--floor <number>", "ready replicas that each replaced model keeps (1)").argParser(
        parseFloor,
      ),
    )
    .addOption(
      new Option("--force", "allow a model to lose its last replica (--floor 0)").conflicts(
        "floor",
      ),
    )
    .option("--golden <picture>", "picture to verify the model with (a test picture)")
    .option("--expect <label>", "label expected for that picture")
    .addOption(
      new Option(
        "--timeout <ms>",
        "time limit for loading the model on a device, in milliseconds (600000)",
      ).argParser(parseMilliseconds),
    )
    .option("--json", "write a JSON object for each step")
    .addHelpText(
      "after",
      "\nExample:\n  tensorgate device swap resnet --base-path /models/resnet --count 2 --golden cat.jpg --expect tabby\n\nIf a swap fails, run it again: it resumes where it stopped.",
    )
    .action((model: string, options) => runDeviceSwap(model, options));
  command
    .command("abort [swap]")
    .description("abort a swap; by default the one in progress")
    .addOption(adminUrlOption())
    .option("--json", "write a JSON object")
    .addHelpText("after", "\nExample:\n  tensorgate device abort 3")
    .action((id: string | undefined, options) => runDeviceAbort(id, options));
  return command;
}

/** The admin port of a gateway. */
export function adminUrlOption(): Option {
  return new Option("--admin-url <url>", "URL of the gateway's admin port")
    .env("TENSORGATE_ADMIN_URL")
    .argParser(parseUrl)
    .default("http://127.0.0.1:9090");
}
