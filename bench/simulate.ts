// The router in virtual time: beside the central queue that no router can beat, and in trouble.

import {
  allOverloaded,
  besideCentralQueue,
  concurrentReplica,
  hedged,
  noOutlier,
  oneRegionOverloaded,
  type Row,
  regionLost,
} from "../packages/gateway/simulation/scenarios.ts";
import { programArguments } from "../test/support/program-arguments.ts";

const help = `Runs the router in virtual time.

  --json           one JSON object per row
  --requests N     per row (default 200000)
  --seed N         (default 1)
  --scenario TEXT  only rows with this in their name
`;

const { values: flags } = programArguments({
  options: {
    help: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    requests: { type: "string", default: "200000" },
    seed: { type: "string", default: "1" },
    scenario: { type: "string", default: "" },
  },
});

const sized = { requestCount: Number(flags.requests), seed: Number(flags.seed) };
if (flags.help || !Number.isInteger(sized.requestCount) || !Number.isInteger(sized.seed)) {
  process.stdout.write(help);
  process.exit(flags.help ? 0 : 2);
}

const rows: readonly (readonly [name: string, run: () => Row])[] = [
  ...[0.5, 0.7, 0.85, 0.95].map(
    (load) => ["eight replicas", () => besideCentralQueue(load, sized)] as const,
  ),
  ["hedged", () => hedged(0.5, sized)],
  ["concurrent replica", () => concurrentReplica(0.9, sized)],
  ["one region", () => oneRegionOverloaded(1.2, sized)],
  ["all regions", () => allOverloaded(2, sized)],
  ["a region lost", () => regionLost(0.6, sized)],
  ["all slow", () => noOutlier("all slow", 0.15, sized)],
  ["gateway stalled", () => noOutlier("gateway stalled", 0.5, sized)],
];

for (const [name, run] of rows) {
  if (!name.includes(flags.scenario)) continue;
  const row = run();
  process.stdout.write(flags.json ? `${JSON.stringify(row)}\n` : `${text(row)}\n`);
}

function text({ scenario, load, ...figures }: Row): string {
  const shown = Object.entries(figures).map(
    ([name, value]) => `${name} ${Number.isInteger(value) ? value : value.toFixed(3)}`,
  );
  return `${scenario} at ${load * 100} %: ${shown.join(", ")}`;
}
