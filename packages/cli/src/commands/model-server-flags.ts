import { dialects } from "@tensorgate/tf-serving";
import { type Command, Option } from "commander";
import {
  cacheOption,
  collected,
  familyOption,
  parseCount,
  parseFault,
  parseMilliseconds,
  parseSeed,
  parseShare,
  portOption,
} from "../option-parsers.ts";
import type { Signals } from "../service/signals.ts";
import { runModelServer } from "./model-server.ts";

/** Gives `command` the flags of a model server. */
export function asModelServer(command: Command, signals: Signals): Command {
  return command
    .description("run a model server that speaks TensorFlow Serving's gRPC API")
    .option("--models <folder>", "folder with <name>/<version>/model.onnx")
    .option("--model_name <name>", "name of a single model, as TensorFlow Serving spells it")
    .option("--model_base_path <folder>", "folder of that model, with <version>/model.onnx")
    .addOption(familyOption("--family <names>", "topologies to serve with seeded weights"))
    .addOption(cacheOption())
    .option("--counter", "serve a model that counts its requests, for trying repetitions")
    .addOption(
      new Option("--dialect <name>", "whom to behave like")
        .choices(dialects)
        .default("tensorflow-serving"),
    )
    .option("--host <address>", "address to bind", "127.0.0.1")
    .addOption(portOption("--port <number>", "port; 0 takes a free one", 8_500))
    .addOption(portOption("--threads <number>", "threads that each model may use", 1))
    .addOption(
      new Option("--round-trip <ms>", "answer so much later, as from far away, in milliseconds")
        .argParser(parseMilliseconds)
        .default(0),
    )
    .addOption(
      new Option(
        "--device <kind>",
        "what models run on; exclusive: one model and one request at a time, as an FPGA has it",
      )
        .choices(["shared", "exclusive"])
        .default("shared"),
    )
    .option("--model <name>", "model that an exclusive device holds at the start (the first one)")
    .option("--no-model", "start with an exclusive device empty")
    .addOption(
      new Option(
        "--reconfigure-ms <ms>",
        "how long an exclusive device takes for another model (2000), in milliseconds",
      ).argParser(parseMilliseconds),
    )
    .addOption(
      new Option(
        "--during-swap <answer>",
        "what is said of a model that comes or leaves (not-found)",
      ).choices(["not-found", "unavailable"]),
    )
    .addOption(
      new Option("--engine <name>", "what computes; none answers zeros at once")
        .choices(["onnx", "none"])
        .default("onnx"),
    )
    .addOption(
      new Option(
        "--service-ms <ms>",
        "time that each request takes on top of the engine, in milliseconds",
      )
        .argParser(parseMilliseconds)
        .default(0),
    )
    .addOption(
      new Option(
        "--lanes <number>",
        "requests that run at the same time (all; 1 on an exclusive device)",
      ).argParser(parseCount),
    )
    .addOption(
      new Option(
        "--reload-from <folder>",
        "folder that a reload may load models from too; may be given several times",
      ).argParser(collected),
    )
    .addOption(
      new Option(
        "--fault <what>",
        "what shall go wrong, for tests, may be given several times: drop, delay=MS, reset, garbage, error=CODE, fail-load, stick-load (of the next reload)",
      ).argParser(parseFault),
    )
    .addOption(
      new Option(
        "--fault-share <share>",
        "share of the Predict calls that each fault strikes, 0 to 1",
      )
        .argParser(parseShare)
        .default(1),
    )
    .addOption(
      new Option("--fault-seed <number>", "the same seed strikes the same requests")
        .argParser(parseSeed)
        .default(1),
    )
    .action((options) => runModelServer(options, signals));
}
