import { detectorPresetNames, dialects, familyNames } from "@tensorgate/tf-serving/names";
import { Argument, Command, CommanderError, Option } from "commander";
import { CommandError } from "./command-error.ts";
import { printCompletion, type Shell, shells } from "./commands/completion.ts";
import { addDeleteCommands } from "./commands/delete-flags.ts";
import { addDeployCommands, inCluster } from "./commands/deploy-flags.ts";
import { addDeviceCommands } from "./commands/device-flags.ts";
import { addDeployEdge } from "./commands/edge-flags.ts";
import { addGatewayCommands, adminPortVariable } from "./commands/gateway-flags.ts";
import { addImageCommands } from "./commands/image-flags.ts";
import { addJobCommands } from "./commands/job-flags.ts";
import { addModelServerFlags } from "./commands/model-server-flags.ts";
import { addModelsCommands } from "./commands/models-flags.ts";
import { onDemand } from "./commands/on-demand.ts";
import { addRegistryCommands } from "./commands/registry-flags.ts";
import { addRolloutCommands, addShadowCommand } from "./commands/rollout-flags.ts";
import { addTeachCommand } from "./commands/teach-flags.ts";
import {
  keyOption,
  parseCount,
  parseInterval,
  parseKeyId,
  parseShare,
  portOption,
  timeoutOption,
  urlOption,
} from "./option-parsers.ts";
import type { Signals } from "./service/signals.ts";
import { describeUsage } from "./usage.ts";
import { version } from "./version.ts";

const runAttach = onDemand(async () => (await import("./commands/attach.ts")).runAttach);
const checkConfig = onDemand(async () => (await import("./commands/config.ts")).checkConfig);
const printConfigSchema = onDemand(
  async () => (await import("./commands/config.ts")).printConfigSchema,
);
const runDoctor = onDemand(async () => (await import("./commands/doctor.ts")).runDoctor);
const runInit = onDemand(async () => (await import("./commands/init.ts")).runInit);
const printNewKey = onDemand(async () => (await import("./commands/key.ts")).printNewKey);
const runScore = onDemand(async () => (await import("./commands/score.ts")).runScore);
const runServiceStatus = onDemand(
  async () => (await import("./commands/service.ts")).runServiceStatus,
);
const runStatus = onDemand(async () => (await import("./commands/status.ts")).runStatus);
const runTypes = onDemand(async () => (await import("./commands/types.ts")).runTypes);

/** Exit code for arguments that the parser does not understand. */
const usageExitCode = 2;

/** Commands that handle the signals from their start. */
const services: ReadonlySet<string> = new Set(["demo", "serve", "model-server"]);

/**
 * Runs the command line.
 *
 * @param args - without the interpreter and the script
 * @param signals - held until the command is known
 * @returns the exit code: 0, 1 for a failure, 2 for a usage error
 */
export async function run(args: readonly string[], signals: Signals): Promise<number> {
  try {
    await program(signals).parseAsync([...args], { from: "user" });
    return 0;
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      return thrown.exitCode === 0 ? 0 : usageExitCode;
    }
    if (thrown instanceof CommandError) {
      process.stderr.write(`tensorgate: ${thrown.message}\n`);
      return thrown.exitCode;
    }
    throw thrown;
  } finally {
    signals.release();
  }
}

/** Builds the command with all of its subcommands. */
export function program(signals: Signals): Command {
  const root = new Command("tensorgate")
    .description("Scoring gateway: images in, labels out, using the model servers you already run.")
    .version(version)
    // A command may have its own --version.
    .enablePositionalOptions()
    .exitOverride()
    .hook("preAction", (_root, command) => {
      if (!services.has(command.name())) signals.release();
    });

  addGatewayCommands(root, signals);

  root
    .command("init")
    .description("write a first configuration for a model server, by asking or from flags")
    .option("--address <address>", "model server, as host:port")
    .option("--model <name>", "name of the model; common names are tried by default")
    .addOption(new Option("--family <name>", "topology of the model").choices(familyNames))
    .option("--region <name>", "region of the server")
    .option("-o, --output <file>", "file to write", "tensorgate.yaml")
    .option("--force", "overwrite the file")
    .addOption(timeoutOption())
    .action((options) => runInit(options));

  addModelServerFlags(root.command("model-server"), signals);
  addDeviceCommands(root.command("device"));

  root
    .command("attach <address>")
    .description("inspect a running model server and write a configuration for it")
    .option("--model <name>", "name of the model; common names are tried by default")
    .addOption(new Option("--dialect <name>", "dialect of the server").choices(dialects))
    .addOption(new Option("--family <name>", "topology of the model").choices(familyNames))
    .addOption(
      new Option("--detector <preset>", "form of a detector's outputs").choices(
        detectorPresetNames,
      ),
    )
    .option("--service <name>", "service name by which a cluster routes to an FPGA container")
    .option("--key-env <variable>", "environment variable with the server's key")
    .option("--ca <file>", "CA certificate of the server, for grpcs://")
    .option("--region <name>", "region of the server", "local")
    .option(
      "-o, --output <file>",
      "write the configuration to a file rather than to standard output",
    )
    .option("--force", "overwrite the file")
    .option("--serve", "then serve it as a gateway")
    .addOption(portOption("--port <number>", "port of that gateway; 0 picks a free one", 8_080))
    .addOption(portOption("--admin-port <number>", "its admin port", 9_090).env(adminPortVariable))
    .addOption(timeoutOption())
    .action((address: string, options) => runAttach(address, options, signals));

  root
    .command("score <pictures...>")
    .description(
      "score files, folders, patterns and web addresses at a gateway; - reads standard input",
    )
    .option("-m, --model <name>", "model to score with; the only one of the gateway by default")
    .addOption(urlOption())
    .addOption(keyOption())
    .addOption(
      new Option("--top <number>", "maximum number of labels or boxes per picture").argParser(
        parseCount,
      ),
    )
    .addOption(new Option("--min-score <share>", "minimum score, 0 to 1").argParser(parseShare))
    .option("--region <name>", "region to prefer")
    .option("--json", "write a JSON object for each picture")
    .option("--csv", "write comma-separated values")
    .option("-o, --output <file>", "write the results to a file rather than to standard output")
    .addOption(
      new Option("--concurrency <number>", "pictures scored concurrently")
        .argParser(parseCount)
        .default(8),
    )
    .action((names: readonly string[], options) => runScore(names, options, signals));

  root
    .command("doctor")
    .description("check a gateway from a caller's side and report problems")
    .addOption(urlOption().default("http://127.0.0.1:8080"))
    .addOption(keyOption())
    .option(
      "--origin <origin>",
      "origin of a page that calls the gateway, such as https://app.example",
    )
    .addOption(timeoutOption())
    .action((options) => runDoctor(options));

  inCluster(root.command("status [service]"))
    .description(
      "show the state of a gateway, its regions and replicas, until Ctrl-C; or of a service in a cluster",
    )
    .addOption(urlOption())
    .addOption(keyOption())
    .option(
      "--once",
      "print once and exit; the default if standard output is not a terminal, except with --json",
    )
    .option("--json", "write a JSON object for each update, or for the service")
    .addOption(
      new Option("--interval <ms>", "interval between updates, in milliseconds")
        .argParser(parseInterval)
        .default(1_000),
    )
    .action((service: string | undefined, options) =>
      service === undefined ? runStatus(options, signals) : runServiceStatus(service, options),
    );

  addModelsCommands(root.command("models"));
  addRegistryCommands(root.command("registry"), signals);
  addDeployEdge(addDeployCommands(root, signals).command("edge <host>"));
  addDeleteCommands(root.command("delete"));
  addImageCommands(root.command("image"), signals);
  addJobCommands(root.command("job"));
  addRolloutCommands(root.command("rollout"));
  addShadowCommand(root.command("shadow <model>"));
  addTeachCommand(root.command("teach <name>"));

  root
    .command("types")
    .description("print the models of a gateway as TypeScript, for new ScoringClient<Catalog>()")
    .addOption(urlOption())
    .addOption(keyOption())
    .action((options) => runTypes(options));

  const config = root.command("config").description("check a configuration");
  config
    .command("check")
    .description("report every fault of a configuration")
    .argument("[file]", "configuration", "tensorgate.yaml")
    .action((file: string) => checkConfig(file));
  config
    .command("schema")
    .description("print the JSON Schema of the configuration, for editors")
    .action(() => printConfigSchema());

  root
    .command("key")
    .description("manage keys of callers")
    .command("new")
    .description("generate a key and print its entry for the configuration")
    .addOption(
      new Option("--id <name>", "name of the key: letters, digits and dashes").argParser(
        parseKeyId,
      ),
    )
    .option("--models <names>", "models that the key may use, separated by commas", "*")
    .action((options) => printNewKey(options));

  root
    .command("completion")
    .description("print the script by which a shell completes commands and options")
    .addArgument(new Argument("<shell>", "your shell").choices(shells))
    .action((shell: Shell) => printCompletion(shell, root));

  describeUsage(root);
  return root;
}
