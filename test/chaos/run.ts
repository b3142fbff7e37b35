// Runs the gateway against everything that goes wrong around it, in real processes, under load.
import { programArguments } from "../support/program-arguments.ts";
import { faults } from "./faults/all.ts";
import { brokenResult, type FaultResult } from "./faults/fault.ts";
import { resultLine, resultTable, saveResults } from "./report.ts";
import { transportVariable } from "./rig/gateway.ts";

const { values: flags } = programArguments({
  options: {
    requests: { type: "string", default: "1500" },
    "service-ms": { type: "string", default: "8" },
    fault: { type: "string", multiple: true },
    seed: { type: "string", default: "1" },
    transport: { type: "string", default: "own" },
    json: { type: "boolean", default: false },
    save: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});
if (flags.help) {
  const list = faults.map(({ name, about }) => `  ${name.padEnd(26)}${about}`).join("\n");
  process.stdout.write(`npm run chaos -- [--requests N] [--fault NAME]… [--service-ms N] [--seed N] [--transport own|node] [--json] [--save]

${list}
`);
  process.exit(0);
}
const requests = Number(flags.requests);
const settings = {
  requests,
  seed: Number(flags.seed),
  serviceMs: Number(flags["service-ms"]),
  transport: flags.transport,
};
const wanted = flags.fault ?? faults.map(({ name }) => name);
const unknown = wanted.filter((name) => !faults.some((fault) => fault.name === name));
const isUnderstood =
  [requests, settings.seed, settings.serviceMs].every(Number.isInteger) &&
  requests >= 100 &&
  ["own", "node"].includes(settings.transport);
if (!isUnderstood || unknown[0]) {
  process.stderr.write(`chaos: ${unknown[0] ?? "not understood"}; --help tells more\n`);
  process.exit(2);
}
process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));

// The gateways are processes of this one.
process.env[transportVariable] = settings.transport;
const results: FaultResult[] = [];
for (const fault of faults.filter(({ name }) => wanted.includes(name))) {
  process.stderr.write(`${fault.name}: ${fault.about}\n`);
  const result = await fault
    .run(settings)
    .catch((error: unknown) => brokenResult(fault.name, String(error)));
  results.push(result);
  if (flags.json) process.stdout.write(resultLine(result));
}
if (!flags.json) process.stdout.write(resultTable(results));
if (flags.save) process.stderr.write(`saved in ${saveResults(results, settings)}\n`);
process.exitCode = results.every(({ passed }) => passed) ? 0 : 1;
