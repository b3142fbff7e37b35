import { servingDialects } from "@tensorgate/tf-serving/names";
import { type Command, Option } from "commander";
import {
  cacheOption,
  collected,
  familyOption,
  parseCount,
  parseFault,
  parseMilliseconds,
  parsePort,
  parseSeconds,
  parseSeed,
  parseShare,
  parseSwitch,
  portOption,
  registerFromOption,
} from "../option-parsers.ts";
import type { Signals } from "../service/signals.ts";
import { onDemand } from "./on-demand.ts";

const runModelServer = onDemand(async () => (await import("./model-server.ts")).runModelServer);

/** Adds the flags of a model server. */
export function addModelServerFlags(command: Command, signals: Signals): Command {
  return command
    .description("run a model server that speaks TensorFlow Serving's gRPC and REST APIs")
    .option("--models <folder>", "folder with <name>/<version>/model.onnx or saved_model.pb")
    .option(
      "--registry <folder>",
      "registry whose models are served, also those that come later: the latest version of each, and those that aliases name",
    )
    .addOption(
      new Option(
        "--serve <reference>",
        "version of the registry to serve (./registry or TENSORGATE_REGISTRY by default), such as resnet50@champion; repeatable",
      ).argParser(collected),
    )
    .option("--model_name <name>", "name of a single model, as TensorFlow Serving spells it")
    .option(
      "--model_base_path <folder>",
      "folder of that model with <version>/model.onnx or saved_model.pb",
    )
    .option(
      "--model_config_file <file>",
      "models, version policies and labels in protocol buffers' text format; SIGHUP reloads it",
    )
    .addOption(
      new Option(
        "--model_config_file_poll_wait_seconds <s>",
        "interval of looking for a changed file; 0 for never",
      )
        .argParser(parseSeconds)
        .default(0),
    )
    .addOption(
      new Option(
        "--file_system_poll_wait_seconds <s>",
        "interval of looking for versions that came or went; 0 for never (1)",
      )
        .argParser(parseSeconds)
        .default(1_000, "1"),
    )
    .addOption(
      new Option(
        "--allow_version_labels_for_unavailable_models [boolean]",
        "allow labels of versions that are not loaded yet",
      )
        .preset("true")
        .argParser(parseSwitch),
    )
    .option(
      "--monitoring_config_file <file>",
      "exposes metrics on the port of the REST API: prometheus_config { enable: true path: ... }",
    )
    .addOption(familyOption("--family <names>", "topologies to serve with seeded (random) weights"))
    .addOption(cacheOption())
    .option("--counter", "serve a model that counts its requests, for testing retries")
    .addOption(
      new Option("--dialect <name>", "dialect to emulate")
        .choices(servingDialects)
        .default("tensorflow-serving"),
    )
    .option("--host <address>", "address to bind", "127.0.0.1")
    .addOption(portOption("--port <number>", "port; 0 picks a free one", 8_500))
    .addOption(portOption("--rest_api_port <number>", "port of the REST API; 0 for none", 0))
    .addOption(
      new Option(
        "--admin-port <number>",
        "admin port, where calls of this machine change the registry; 0 picks a free one",
      ).argParser(parsePort),
    )
    .addOption(registerFromOption())
    .addOption(
      new Option("--rest_api_timeout_in_ms <ms>", "time limit of a call of the REST API")
        .argParser(parseMilliseconds)
        .default(30_000),
    )
    .addOption(
      new Option(
        "--rest_api_enable_cors_support [boolean]",
        "let pages of other origins call the REST API",
      )
        .preset("true")
        .argParser(parseSwitch),
    )
    .addOption(portOption("--threads <number>", "threads per model", 1))
    .addOption(
      new Option("--round-trip <ms>", "simulated network round trip, in milliseconds")
        .argParser(parseMilliseconds)
        .default(0),
    )
    .addOption(
      new Option(
        "--device <kind>",
        "device that models run on; exclusive: one model and one request at a time, like an FPGA",
      )
        .choices(["shared", "exclusive"])
        .default("shared"),
    )
    .option("--model <name>", "initial model of an exclusive device (the first one)")
    .option("--no-model", "start an exclusive device without a model")
    .addOption(
      new Option(
        "--reconfigure-ms <ms>",
        "swap time of an exclusive device, in milliseconds (2000)",
      ).argParser(parseMilliseconds),
    )
    .addOption(
      new Option(
        "--during-swap <answer>",
        "answer for a model that is loading or unloading (not-found)",
      ).choices(["not-found", "unavailable"]),
    )
    .addOption(
      new Option("--engine <name>", "inference engine; none returns zeros immediately")
        .choices(["onnx", "none"])
        .default("onnx"),
    )
    .addOption(
      new Option("--service-ms <ms>", "extra service time of each request, in milliseconds")
        .argParser(parseMilliseconds)
        .default(0),
    )
    .addOption(
      new Option(
        "--concurrency <number>",
        "requests processed concurrently (unlimited; 1 on an exclusive device)",
      ).argParser(parseCount),
    )
    .addOption(new Option("--lanes <number>").argParser(parseCount).hideHelp())
    .addOption(
      new Option(
        "--reload-from <folder>",
        "additional folder that a reload may load models from; repeatable",
      ).argParser(collected),
    )
    .addOption(
      new Option(
        "--fault <what>",
        "fault to inject, for tests; repeatable: drop, delay=MS, reset, garbage, error=CODE, fail-load, stick-load (next reload)",
      ).argParser(parseFault),
    )
    .addOption(
      new Option("--fault-share <share>", "share of Predict calls that each fault affects, 0 to 1")
        .argParser(parseShare)
        .default(1),
    )
    .addOption(
      new Option("--fault-seed <number>", "seed that selects the affected requests")
        .argParser(parseSeed)
        .default(1),
    )
    .action((options) => runModelServer(options, signals));
}
