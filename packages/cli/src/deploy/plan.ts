import { createInterface } from "node:readline/promises";
import { OciError } from "@tensorgate/oci-image";
import { RegistryError } from "@tensorgate/registry";
import { CommandError, UsageError } from "../command-error.ts";
import { jsonLine } from "../registry/version-text.ts";

/** A step of what a command is going to do. */
export interface PlanStep {
  readonly kind: "service" | "cluster" | "image" | "version" | "model" | "device";
  readonly name: string;
  /** What is done, for people. */
  readonly text: string;
  /** Command that does this step alone, for the case that a step before it fails. */
  readonly command: string;
  /** @returns what could not be done, and why */
  run(): Promise<readonly string[]>;
}

export interface PlanOptions {
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** What is done with the things of a plan. */
export type PlanVerb = "delete" | "install";

const done: Readonly<Record<PlanVerb, string>> = { delete: "deleted", install: "installed" };

const print = (lines: readonly string[]) => process.stdout.write(`${lines.join("\n")}\n`);

/**
 * Prints the plan, asks, and carries the steps out in their order.
 *
 * @throws UsageError if the user does not agree; CommandError if a step fails, with the commands of those that were not done
 */
export async function carryOut(
  verb: PlanVerb,
  steps: readonly PlanStep[],
  { yes = false, json = false }: PlanOptions,
): Promise<void> {
  const plan = steps.map(({ kind, name }) => ({ kind, name }));
  const lines = steps.map(({ text }, at) => `  ${at + 1}. ${text}`);
  print(json ? [jsonLine({ plan })] : ["plan:", ...lines]);
  if (!yes && !(await isConfirmed(verb))) {
    throw new UsageError(`nothing is ${done[verb]}; give --yes to ${verb}`);
  }
  for (const [at, { kind, name, text, run }] of steps.entries()) {
    const remains = await run().catch((thrown: unknown) => {
      throw interrupted(thrown, verb, steps.slice(at));
    });
    print(
      json
        ? [jsonLine({ [done[verb]]: { kind, name }, remains })]
        : [`done: ${text}`, ...remains.map((line) => `  warning: ${line}`)],
    );
  }
}

function interrupted(thrown: unknown, verb: PlanVerb, left: readonly PlanStep[]): unknown {
  const isExplained =
    thrown instanceof CommandError || thrown instanceof RegistryError || thrown instanceof OciError;
  if (!isExplained) return thrown;
  const commands = [...new Set(left.map(({ command }) => `  ${command}`))];
  const lines = [thrown.message, `not ${done[verb]}; when the reason is gone:`, ...commands];
  return new CommandError(lines.join("\n"), { cause: thrown });
}

async function isConfirmed(verb: PlanVerb): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await lines.question(`${verb}? [y/N] `)).trim());
  } finally {
    lines.close();
  }
}
