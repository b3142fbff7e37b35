/**
 * Which of our own files and functions a call passes through in the gateway.
 *
 * `npm run walk -- classify|detect|predict|stream|failover` prints them; `--functions` with a line for each function,
 * `--json` as one JSON object, `--limits` fails over a limit. `--transport node` leaves HTTP/2 to replicas to Node, whose
 * sources are not counted.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { GatewayOptions } from "@tensorgate/gateway";
import { programArguments } from "../../test/support/program-arguments.ts";
import { type Caller, grpcCaller, restCaller } from "./calls.ts";
import { startCoverage, type WalkedFile } from "./coverage.ts";
import { functionReport, isWithin, report, sumsOf, type WalkLimits } from "./report.ts";

type Transport = "own" | "node";

interface Walk {
  readonly open: (port: number) => Caller;
  /** A little more than the walk takes, so that it stays short. */
  readonly limits?: Readonly<Record<Transport, WalkLimits>>;
  /** The replica that gets the call dies with it. */
  readonly isReplicaLost?: boolean;
}

const classify: Walk = {
  open: (port) => restCaller(port, "/v1/classify/classifier"),
  limits: {
    own: { maxFiles: 52, maxFunctions: 268 },
    node: { maxFiles: 45, maxFunctions: 238 },
  },
};
const walks: Readonly<Record<string, Walk>> = {
  classify,
  detect: { open: (port) => restCaller(port, "/v1/detect/detector") },
  predict: {
    open: (port) => grpcCaller(port, "Predict"),
    limits: {
      own: { maxFiles: 47, maxFunctions: 270 },
      node: { maxFiles: 40, maxFunctions: 240 },
    },
  },
  stream: { open: (port) => grpcCaller(port, "ClassifyStream") },
  failover: { open: classify.open, isReplicaLost: true },
};

/** Calls before the one that counts: lazy parts are there, connections are open, waits are known. */
const warmUpCalls = 20;
/** Single calls that are counted; the shortest is taken, so that a timer that fires meanwhile does not matter. */
const countedCalls = 5;
/** How long after an answer the gateway may still work for the call, in milliseconds. */
const settleMs = 100;

const { values, positionals } = programArguments({
  allowPositionals: true,
  options: {
    functions: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    limits: { type: "boolean", default: false },
    transport: { type: "string", default: "own" },
  },
});
const [name = ""] = positionals;
const walk = walks[name];
if (!walk || positionals.length !== 1) {
  const options = "[--functions] [--json] [--limits] [--transport own|node]";
  process.stderr.write(`usage: npm run walk -- ${Object.keys(walks).join("|")} ${options}\n`);
  process.exit(2);
}
const transport: Transport = values.transport === "node" ? "node" : "own";
const limits = walk.limits?.[transport] ?? {};
const files = await walked(walk);
if (values.functions) process.stdout.write(functionReport(files));
process.stdout.write(
  values.json
    ? `${JSON.stringify({ walk: name, ...sumsOf(files), limits })}\n`
    : report(name, files, limits),
);
if (values.limits && !isWithin(files, limits)) process.exitCode = 1;

async function walked({ open, isReplicaLost = false }: Walk): Promise<readonly WalkedFile[]> {
  await using coverage = await startCoverage();
  const replicas = fork(fileURLToPath(new URL("replica-process.ts", import.meta.url)), {
    execArgv: ["--conditions=@tensorgate/source"],
  });
  const [addresses] = (await once(replicas, "message")) as [readonly string[]];
  // After the coverage has begun, which sees only what is compiled later.
  const { createGateway } = await import("@tensorgate/gateway");
  const gateway = createGateway(optionsOf(addresses.slice(0, isReplicaLost ? 2 : 1)));
  await gateway.listen();
  await gateway.ready();
  using caller = open(gateway.port);
  for (let count = 0; count < warmUpCalls; count += 1) await caller.call();

  let shortest: readonly WalkedFile[] | undefined;
  for (let count = 0; count < (isReplicaLost ? 1 : countedCalls); count += 1) {
    if (isReplicaLost) {
      replicas.send("die");
      await once(replicas, "message");
    }
    await sleep(settleMs);
    await coverage.take();
    await caller.call();
    await sleep(settleMs);
    const files = await coverage.take();
    if (!shortest || sumsOf(files).functions < sumsOf(shortest).functions) shortest = files;
  }
  caller[Symbol.dispose]();
  await gateway.close(0);
  replicas.kill();
  return shortest ?? [];
}

function optionsOf(replicas: readonly string[]): GatewayOptions {
  const region = "local";
  return {
    listen: { host: "127.0.0.1", port: 0 },
    models: [
      {
        name: "classifier",
        input: { tensor: "images", kind: "encoded-image" },
        output: { scores: { holds: "probabilities" } },
        labels: Array.from({ length: 1_000 }, (_, index) => `label ${index}`),
      },
      { name: "detector", family: "ssd-vgg" },
    ],
    pools: [
      { model: "classifier", region, replicas },
      { model: "detector", region, replicas },
    ],
    // No probe falls into the call that is counted.
    routing: { probeIntervalMs: 60_000 },
    upstream: { transport },
  };
}
