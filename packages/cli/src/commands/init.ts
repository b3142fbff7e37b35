import { existsSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import type { FamilyName } from "@tensorgate/tf-serving";
import { backendAddress } from "../attach/backend-address.ts";
import { writeConfig } from "../attach/config-file.ts";
import { configText } from "../attach/config-text.ts";
import { CommandError, UsageError } from "../command-error.ts";
import { attach } from "./attach.ts";

export interface InitOptions {
  readonly address?: string;
  readonly model?: string;
  readonly family?: FamilyName;
  readonly region?: string;
  readonly output: string;
  readonly force?: boolean;
  readonly timeout: number;
}

/** What a configuration needs to begin with. */
interface Answers {
  readonly address: string;
  readonly model: string | undefined;
  readonly region: string;
}

const defaults = { address: "localhost:8500", region: "local" } as const;

/**
 * Writes a first configuration: by what the model server tells, and where it does not answer, by what the user says.
 *
 * @throws UsageError if neither a terminal nor flags give the address
 */
export async function runInit(options: InitOptions): Promise<void> {
  const { output, force = false, family, timeout } = options;
  if (existsSync(output) && !force) {
    throw new CommandError(`${output} already exists; use --force to overwrite it`);
  }
  const { address, model, region } = await answersOf(options);
  // A mistake in the address is no server that is away.
  const { address: place } = backendAddress(address);
  const described = { ...(model !== undefined && { model }), ...(family && { family }), region };
  try {
    await attach(address, { ...described, output, force, port: 0, adminPort: 0, timeout });
  } catch (thrown) {
    if (!(thrown instanceof CommandError) || model === undefined) throw thrown;
    writeConfig(
      output,
      configText({
        region,
        model: { name: model, ...(family && { family }) },
        pool: { model, region, replicas: [place] },
        doubts: [thrown.message],
        origin: `Written by tensorgate init; ${place} could not be inspected.`,
      }),
    );
    process.stderr.write(`check: ${thrown.message}\nwrote ${output} all the same\n`);
  }
  process.stderr.write(`next: tensorgate config check ${output}, then tensorgate serve\n`);
}

/** Asks on a terminal for what no flag says. */
async function answersOf({ address, model, region }: InitOptions): Promise<Answers> {
  if (address !== undefined) return { address, model, region: region ?? defaults.region };
  if (!process.stdin.isTTY) {
    throw new UsageError(
      "give the model server with --address host:port, or run this in a terminal",
    );
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const ask = async (question: string) => (await terminal.question(question)).trim();
    const server = await ask(`Address of the model server [${defaults.address}]: `);
    const name = model ?? (await ask("Name of the model [tried out]: "));
    const place = region ?? (await ask(`Region of the server [${defaults.region}]: `));
    return {
      address: server || defaults.address,
      model: name || undefined,
      region: place || defaults.region,
    };
  } finally {
    terminal.close();
  }
}
