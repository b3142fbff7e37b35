import { type Command, Option } from "commander";
import {
  collected,
  parseCount,
  parseFloor,
  parseMilliseconds,
  parseUrl,
} from "../option-parsers.ts";
import { runDeviceAbort, runDeviceList, runDeviceSwap } from "./device.ts";

/** Gives `command` its own commands, which talk to the admin port of a gateway on the same machine. */
export function asDevice(command: Command): Command {
  command.description("devices that hold one model at a time, and what they hold");
  command
    .command("list", { isDefault: true })
    .description("print what each device holds")
    .addOption(adminUrlOption())
    .option("--json", "write a JSON object for each device")
    .addHelpText("after", "\nExample:\n  tensorgate device list")
    .action((options) => runDeviceList(options));
  command
    .command("swap <model>")
    .description("make devices hold another model, one after the other, without losing a call")
    .addOption(adminUrlOption())
    .option("--base-path <folder>", "folder of the model, as the device sees it")
    .addOption(
      new Option(
        "--device <name>",
        "device that shall hold it, by alias or address; may be given several times",
      ).argParser(collected),
    )
    .addOption(
      new Option("--count <number>", "devices that shall hold it in the end (1)")
        .argParser(parseCount)
        .conflicts("device"),
    )
    .addOption(
      new Option(
        "--floor <number>",
        "ready replicas that a model keeps when a device gives it up (1)",
      ).argParser(parseFloor),
    )
    .addOption(
      new Option("--force", "leave a model without any replica, if need be: --floor 0").conflicts(
        "floor",
      ),
    )
    .option("--golden <picture>", "picture that the model must score (a test picture)")
    .option("--expect <label>", "label that it must find for that picture")
    .addOption(
      new Option(
        "--timeout <ms>",
        "how long a device may take to load the model (600000), in milliseconds",
      ).argParser(parseMilliseconds),
    )
    .option("--json", "write a JSON object for each step")
    .addHelpText(
      "after",
      "\nExample:\n  tensorgate device swap resnet --base-path /models/resnet --count 2 --golden cat.jpg --expect tabby\n\nBegun again after a failure, a swap goes on where it ended.",
    )
    .action((model: string, options) => runDeviceSwap(model, options));
  command
    .command("abort [swap]")
    .description("end a swap, the one under way unless another is named")
    .addOption(adminUrlOption())
    .option("--json", "write a JSON object")
    .addHelpText("after", "\nExample:\n  tensorgate device abort 3")
    .action((id: string | undefined, options) => runDeviceAbort(id, options));
  return command;
}

function adminUrlOption(): Option {
  return new Option("--admin-url <url>", "admin port of the gateway")
    .env("TENSORGATE_ADMIN_URL")
    .argParser(parseUrl)
    .default("http://127.0.0.1:9090");
}
