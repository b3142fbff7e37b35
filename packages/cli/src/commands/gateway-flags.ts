import { familyNames } from "@tensorgate/tf-serving/names";
import { type Command, Option } from "commander";
import {
  cacheOption,
  familyOption,
  parsePort,
  parseWorkers,
  portOption,
  registerFromOption,
} from "../option-parsers.ts";
import type { Signals } from "../service/signals.ts";
import { onDemand } from "./on-demand.ts";

const runDemo = onDemand(async () => (await import("./demo.ts")).runDemo);
const runServe = onDemand(async () => (await import("./serve.ts")).runServe);

export const adminPortVariable = "TENSORGATE_ADMIN_PORT";

/** Adds the commands that run a gateway. */
export function addGatewayCommands(root: Command, signals: Signals): void {
  root
    .command("demo")
    .description("run two regions with embedded model servers, and a gateway in front of them")
    .addOption(portOption("--port <number>", "port of the gateway; 0 picks a free one", 8_080))
    .addOption(
      portOption(
        "--admin-port <number>",
        "admin port (metrics, status); 0 picks a free one",
        9_090,
      ).env(adminPortVariable),
    )
    .option("--models <folder>", "serve the models of this folder instead of the bundled ones")
    .addOption(
      familyOption(
        "--families [names]",
        "also serve topologies with seeded (random) weights",
      ).preset(familyNames.join(",")),
    )
    .addOption(cacheOption())
    .addOption(
      new Option("--registry <folder>", "serve the heads of this registry, as they are registered")
        .env("TENSORGATE_REGISTRY")
        .default("./registry"),
    )
    .option(
      "--no-imagenet",
      "do not fetch EfficientNet-Lite0 (17 MB), which knows photographs, after the start",
    )
    .option(
      "--origin <origin...>",
      "also let pages of this origin call, such as https://app.example; those of this machine may",
    )
    .action((options) => runDemo(options, signals));

  root
    .command("serve")
    .description("run a gateway")
    .addOption(
      new Option("-c, --config <file>", "configuration in YAML")
        .env("TENSORGATE_CONFIG")
        .default("tensorgate.yaml"),
    )
    .addOption(new Option("--host <address>", "address to bind").env("TENSORGATE_HOST"))
    .addOption(
      new Option("--port <number>", "port; 0 picks a free one")
        .env("TENSORGATE_PORT")
        .argParser(parsePort),
    )
    .addOption(
      new Option("--admin-host <address>", "admin address to bind")
        .env("TENSORGATE_ADMIN_HOST")
        .default("127.0.0.1"),
    )
    .addOption(
      portOption(
        "--admin-port <number>",
        "admin port (metrics, status); 0 picks a free one",
        9_090,
      ).env(adminPortVariable),
    )
    .addOption(new Option("--region <name>", "region of this gateway").env("TENSORGATE_REGION"))
    .addOption(
      new Option(
        "--registry <folder>",
        "also serve the heads of this registry, as they are registered; the admin port changes it",
      ).env("TENSORGATE_REGISTRY"),
    )
    .addOption(registerFromOption())
    .addOption(
      new Option(
        "--workers <number>",
        "processes that share the port; auto starts one for each processor",
      )
        .env("TENSORGATE_WORKERS")
        .argParser(parseWorkers)
        .default(1),
    )
    .option("--no-watch", "reload the configuration on SIGHUP only, not on change")
    .action((options) => runServe(options, signals));
}
