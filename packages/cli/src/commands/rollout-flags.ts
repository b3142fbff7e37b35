import { type Command, InvalidArgumentError, Option } from "commander";
import {
  collected,
  parseFloor,
  parseMilliseconds,
  parseShare,
  parseVersion,
} from "../option-parsers.ts";
import { adminUrlOption } from "./device-flags.ts";
import { onDemand } from "./on-demand.ts";
import type { RolloutCommand } from "./rollout.ts";

const runRolloutCommand = onDemand(async () => (await import("./rollout.ts")).runRolloutCommand);
const runRolloutStart = onDemand(async () => (await import("./rollout.ts")).runRolloutStart);
const runRolloutStatus = onDemand(async () => (await import("./rollout.ts")).runRolloutStatus);
const runShadow = onDemand(async () => (await import("./rollout.ts")).runShadow);

/** Adds the commands that change which versions answer, on the admin port of a gateway on the same machine. */
export function addRolloutCommands(command: Command): void {
  command.description("roll a version out step by step, and abort it by what it answers");
  command
    .command("start <model>")
    .description("give a version a growing share of the calls")
    .addOption(
      new Option("--to <version>", "version to roll out")
        .argParser(parseVersion)
        .makeOptionMandatory(),
    )
    .addOption(
      new Option(
        "--from <version>",
        "version that it replaces; the one in use by default",
      ).argParser(parseVersion),
    )
    .addOption(
      new Option(
        "--steps <percentages>",
        "share of the calls in each step (5,25,50,100)",
      ).argParser(parseSteps),
    )
    .addOption(
      new Option(
        "--every <duration>",
        "how long a step lasts, such as 30s, 5m or 1h (5m)",
      ).argParser(parseDuration),
    )
    .addOption(
      new Option(
        "--abort-if <condition>",
        "such as failures>1% or top1<0.98 (agreement on shadowed calls); repeatable",
      ).argParser(collected),
    )
    .addOption(
      new Option(
        "--min-calls <number>",
        "calls that a condition needs before it counts (20)",
      ).argParser(parseCalls),
    )
    .addOption(
      new Option("--sticky <by>", "what keeps a caller at one version (none)").choices([
        "key",
        "session",
        "none",
      ]),
    )
    .addOption(
      new Option(
        "--shadow <share>",
        "share of the calls that are shadowed to compare (0.1)",
      ).argParser(parseShare),
    )
    .addOption(
      new Option(
        "--floor <number>",
        "devices that keep the old version until the new one is promoted (1); for exclusive devices",
      ).argParser(parseFloor),
    )
    .option("--base-path <folder>", "folder of the model on the devices; for exclusive devices")
    .addOption(
      new Option(
        "--timeout <ms>",
        "time limit for loading the version on a device, in milliseconds (600000)",
      ).argParser(parseMilliseconds),
    )
    .addOption(adminUrlOption())
    .option("--json", "write a JSON object")
    .addHelpText(
      "after",
      "\nExample:\n  tensorgate rollout start shapes --to 4 --steps 5,25,50,100 --every 5m --abort-if 'failures>1%' --abort-if 'top1<0.98'",
    )
    .action((model: string, options) => runRolloutStart(model, options));
  command
    .command("status [model]", { isDefault: true })
    .description("print the rollouts of the gateway")
    .addOption(adminUrlOption())
    .option("--json", "write a JSON object for each model")
    .addHelpText("after", "\nExample:\n  tensorgate rollout status shapes")
    .action((model: string | undefined, options) => runRolloutStatus(model, options));
  for (const [name, about] of commands) {
    command
      .command(`${name} <model>`)
      .description(about)
      .addOption(adminUrlOption())
      .option("--json", "write a JSON object")
      .addHelpText("after", `\nExample:\n  tensorgate rollout ${name} shapes`)
      .action((model: string, options) => runRolloutCommand(model, name, options));
  }
}

const commands: readonly (readonly [RolloutCommand, string])[] = [
  ["promote", "give the new version all calls now"],
  ["abort", "give the old version all calls now"],
  ["undo", "go back to the version before the last rollout"],
];

/** Adds the command that shadows a version. */
export function addShadowCommand(command: Command): void {
  command
    .description(
      "score a share of the calls with another version too, after the answer, and compare",
    )
    .addOption(
      new Option(
        "--version <number>",
        "version to shadow; without it, print the comparison",
      ).argParser(parseVersion),
    )
    .addOption(
      new Option("--share <share>", "share of the calls, 0 to 1")
        .argParser(parseShare)
        .default(0.1),
    )
    .option("--keep-pictures", "keep the pictures of the worst pairs until the shadow ends")
    .option("--page <file>", "write a page with the worst pairs")
    .option("--stop", "end shadowing")
    .addOption(adminUrlOption())
    .option("--json", "write a JSON object")
    .addHelpText(
      "after",
      "\nExamples:\n  tensorgate shadow shapes --version 5 --share 0.1\n  tensorgate shadow shapes\n  tensorgate shadow shapes --page worst.html\n  tensorgate shadow shapes --stop",
    )
    .action((model: string, options) => runShadow(model, options));
}

function parseSteps(text: string): readonly number[] {
  const steps = text.split(",").map((each) => Number(each.trim().replace(/%$/, "")));
  if (steps.every((step) => step > 0 && step <= 100)) return steps;
  throw new InvalidArgumentError("Expected percentages such as 5,25,50,100");
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

function parseDuration(text: string): number {
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? [];
  const durationMs = Number(number) * (units[unit] ?? Number.NaN);
  if (durationMs >= 1 && durationMs <= 86_400_000) return durationMs;
  throw new InvalidArgumentError("Expected a duration such as 30s, 5m or 1h, up to 24h");
}

function parseCalls(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= 1_000_000) return value;
  throw new InvalidArgumentError("Expected a whole number from 1 to 1000000");
}
