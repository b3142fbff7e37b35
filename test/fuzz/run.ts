// Sends damaged input to everything that reads what callers and replicas send, until the time limit.
import { parseArgs } from "node:util";
import { seededRandom } from "./mutate.ts";
import { type FuzzGateway, startFuzzGateway } from "./send.ts";
import { type FuzzTarget, nextTarget, targets } from "./targets.ts";

const { values: flags } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string" },
    target: { type: "string" },
    index: { type: "string" },
    cost: { type: "boolean", default: false },
    known: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});
if (flags.help) {
  process.stdout.write(`npm run fuzz -- [--seconds 60] [--seed N] [--target NAME] [--index N]
npm run fuzz -- --cost [--seconds 60] [--seed N] [--target PART-OF-A-NAME] [--known] [--json]

--cost looks for the bodies that take most CPU and memory for their length, for every entry point;
--known tries first what was found before.

targets: ${targets.map(({ name }) => name).join(", ")}
Every input is made of the seed and its index alone: --seed with --index runs one again.
`);
  process.exit(0);
}
const seed = Number(flags.seed ?? Math.floor(Math.random() * 2 ** 31));
const seconds = Number(flags.seconds);
if (flags.cost) {
  const { runCost } = await import("./cost/run-cost.ts");
  const isWithin = await runCost({
    seed,
    seconds,
    target: flags.target,
    known: flags.known,
    json: flags.json,
  });
  process.exit(isWithin ? 0 : 1);
}
const only = targets.find(({ name }) => name === flags.target);
if ((flags.target !== undefined && !only) || !Number.isFinite(seconds) || !Number.isInteger(seed)) {
  process.stderr.write("fuzz: not understood; --help tells more\n");
  process.exit(2);
}

/** Inputs under way at the same time. */
const concurrency = 16;
/** Inputs between two looks at whether good calls are still answered. */
const lookEvery = 2_000;

const faults: string[] = [];
const counts = new Map<string, number>();
let current = "";
const onFault = (thrown: unknown) => {
  const text = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  faults.push(`${current}\n${text}`);
};
process.on("uncaughtException", onFault);
process.on("unhandledRejection", onFault);

await using gateway = await startFuzzGateway();
const endMs = performance.now() + seconds * 1_000;
let nextIndex = Number(flags.index ?? 0);
const lastIndex = flags.index === undefined ? Number.POSITIVE_INFINITY : nextIndex;

async function runOne(index: number, to: FuzzGateway): Promise<void> {
  const random = seededRandom(seed ^ Math.imul(index + 1, 0x9e37_79b1));
  const drawn = nextTarget(random);
  const target: FuzzTarget = only ?? drawn;
  current = `--seed ${seed} --index ${index}${only ? ` --target ${only.name}` : ""} (${target.name})`;
  const name = current;
  counts.set(target.name, (counts.get(target.name) ?? 0) + 1);
  const input = target.input(random);
  try {
    await target.run(input, to);
  } catch (thrown) {
    const text = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
    faults.push(
      `${name}\n${text}\n${JSON.stringify({ ...input, bytes: input.bytes.toString("base64") })}`,
    );
  }
  for (const fault of to.takeFaults()) onFault(fault);
}

async function work(): Promise<void> {
  while (performance.now() < endMs && nextIndex <= lastIndex && faults.length < 10) {
    const index = nextIndex;
    nextIndex += 1;
    await runOne(index, gateway);
    if (index % lookEvery === 0) await gateway.assertWell().catch(onFault);
  }
}
await Promise.all(Array.from({ length: concurrency }, work));
await gateway.assertWell().catch(onFault);

const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
const each = [...counts].map(([name, count]) => `${name} ${count}`).join(", ");
const rssMiB = Math.round(process.memoryUsage.rss() / 2 ** 20);
process.stdout.write(
  `seed ${seed}: ${total} inputs (${each}), ${rssMiB} MiB, ${faults.length} faults\n`,
);
for (const fault of faults) process.stdout.write(`\n${fault}\n`);
process.exitCode = faults.length === 0 ? 0 : 1;
