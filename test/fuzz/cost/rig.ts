import { createHash } from "node:crypto";
import type { GatewayOptions } from "@tensorgate/gateway";
import { buildBody, type Recipe } from "./body.ts";
import type { CostTarget } from "./cost-target.ts";
import { deliver, isWell, type Sent } from "./deliver.ts";
import { type Cost, type ProbeLimits, startMeasuredGateway } from "./measured-gateway.ts";
import { key, restOrdinary, rpcOrdinary } from "./ordinary.ts";
import { classCount, startUpstream } from "./upstream.ts";
import { wideClassCount } from "./wide.ts";

/** What a recipe cost at one length, beside an ordinary picture of that length. */
export interface Measured {
  readonly bytes: number;
  readonly cost: Cost;
  readonly ordinary: Cost;
}

export interface CostRig extends AsyncDisposable {
  /** Measures a recipe `times`; beside it stands what an ordinary picture of that length was measured to cost before. */
  measure(probe: Probe, times: number): Promise<Measured>;
  /** Measures a recipe and an ordinary picture in turns, `times` each. */
  compare(probe: Probe, times: number): Promise<Measured>;
}

export interface Probe {
  readonly target: CostTarget;
  readonly recipe: Recipe;
  readonly length: number;
}

/** From this length on memory is measured too, in bytes: below, it is lost in what the collector leaves. */
export const largeBytes = 2 ** 20;

/** A gateway with a model of each kind, in front of a replica and the gateway of another region. */
function gatewayOptions(address: string): GatewayOptions {
  const model = {
    input: { tensor: "images", kind: "encoded-image", formats: ["jpeg", "png", "webp"] },
    output: { scores: { holds: "probabilities" }, features: { holds: "features" } },
  } as const;
  const region = "westeurope";
  return {
    region,
    listen: { port: 0, maxConnectionsPerAddress: 10_000 },
    keys: [{ id: "a", sha256: createHash("sha256").update(key).digest("hex"), models: ["*"] }],
    models: [
      { ...model, name: "shapes", classCount },
      { ...model, name: "inferred", classCount },
      { ...model, name: "far", classCount, output: { scores: { holds: "probabilities" } } },
      {
        ...model,
        name: "wide",
        classCount: wideClassCount,
        output: { scores: { holds: "probabilities" } },
      },
    ],
    pools: [
      { model: "shapes", region, replicas: [address] },
      { model: "wide", region, replicas: [address] },
      { model: "inferred", region, dialect: "open-inference", replicas: [address] },
      { model: "far", region: "eastus", gateway: `http://${address}` },
    ],
    // What the gateway asks by itself must not be in the measure of something else.
    routing: { probeIntervalMs: 3_600_000, maxEjectionMs: 250 },
  };
}

/** How often a gateway that does not answer is asked before it is said to accept nobody. */
const maxGoodTries = 120;
/** After what took so long the gateway is checked, in milliseconds of CPU. */
const dearMs = 50;

/** What takes so many times as long as an ordinary picture is over every bound, and is not waited for. */
const limitRatio = 30;
/** No probe is ended before so much CPU time, in milliseconds. */
const minLimitMs = 2_000;
/** An ordinary picture that takes so long is a fault of the machine, in milliseconds. */
const ordinaryLimitMs = 30_000;
/** Of so many uses of a baseline, one measures it again. */
const refreshEvery = 8;

interface Baseline {
  readonly cost: Cost | undefined;
  readonly useCount: number;
}

/** What ordinary pictures cost, by name: rigs that measure at the same time share it. */
export type Baselines = Map<string, Baseline>;

export async function startCostRig(
  limits: ProbeLimits,
  baselines: Baselines = new Map(),
): Promise<CostRig> {
  const upstream = await startUpstream();
  const gateway = await startMeasuredGateway(gatewayOptions(upstream.address), {
    ...limits,
    // The first calls are dear: nothing is compiled yet.
    warmUp: async (door) => {
      for (let time = 0; time < 80; time += 1) {
        await deliver(restOrdinary(1_000), door, upstream);
        await deliver(rpcOrdinary("application/grpc", false)(1_000), door, upstream);
      }
    },
  });

  async function probe(
    { target, recipe, length }: Probe,
    ordinary: Cost,
  ): Promise<{ bytes: number; cost: Cost }> {
    const body = buildBody(recipe, Math.min(length, target.maxBytes));
    const sent = target.send(body, recipe.site);
    const cost = await gateway.measure((door) => deliver(sent, door, upstream), {
      isLarge: length >= largeBytes,
      maxCpuMs: Math.max(minLimitMs, ordinary.cpuMs * limitRatio),
    });
    const isChecked = cost.end === "answered" && (sent.reply || cost.cpuMs >= dearMs);
    return { bytes: body.length, cost: isChecked ? await checked(cost, sent) : cost };
  }

  /**
   * The listener must still accept, and answer. Checked after what was dear; and after what a replica replied, since one
   * that misbehaved gets no calls for a moment, and then nothing would be measured.
   */
  async function checked(cost: Cost, { reply, ...sent }: Sent): Promise<Cost> {
    const isGoodWithoutReply = reply && /^\/v1\/classify\/(shapes|far|inferred)$/.test(sent.path);
    const good = isGoodWithoutReply ? sent : restOrdinary(1_000);
    for (let tries = 0; tries < maxGoodTries; tries += 1) {
      if (await isWell(gateway.port(), good)) return cost;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await gateway.restart();
    return { ...cost, end: "accepts nobody" };
  }

  const unitLength = ({ unit }: Recipe) =>
    unit.reduce((sum, { bytes }) => sum + bytes.length, 0) || 1;

  const ordinaryOf = ({ target, recipe, length }: Probe): Sent =>
    target.ordinary(Math.min(length, target.maxBytes), unitLength(recipe));

  async function measureOrdinary(asked: Probe): Promise<Cost> {
    const sent = ordinaryOf(asked);
    return gateway.measure((door) => deliver(sent, door, upstream), {
      isLarge: asked.length >= largeBytes,
      maxCpuMs: ordinaryLimitMs,
    });
  }

  /** A stream of messages is measured once, and stands for as many as the recipe has. */
  function scaled(cost: Cost, asked: Probe): Cost {
    if (!asked.target.countsMessages) return cost;
    return { ...cost, cpuMs: cost.cpuMs * (ordinaryOf(asked).times ?? 1) };
  }

  /** What an ordinary picture costs at least: measured some times, and now and then again, as code gets warm. */
  async function baselineOf(asked: Probe): Promise<Cost> {
    const { target, length } = asked;
    const name = `${target.family} ${target.countsMessages ? "" : Math.min(length, target.maxBytes)}`;
    const known = baselines.get(name) ?? { useCount: 0, cost: undefined };
    const isShort = asked.length < largeBytes;
    const count = known.cost ? (known.useCount % refreshEvery === 0 ? 1 : 0) : isShort ? 2 : 1;
    let { cost } = known;
    for (let time = 0; time < count; time += 1) {
      const once = await measureOrdinary(asked);
      cost = cost ? least(cost, once) : once;
    }
    const baseline = cost as Cost;
    baselines.set(name, { cost: baseline, useCount: known.useCount + 1 });
    return scaled(baseline, asked);
  }

  async function repeated(
    asked: Probe,
    times: number,
    ordinaryCost: () => Promise<Cost>,
  ): Promise<Measured> {
    let measured: Measured | undefined;
    for (let time = 0; time < times; time += 1) {
      const ordinary = await ordinaryCost();
      const { bytes, cost } = await probe(asked, ordinary);
      const once = { bytes, cost, ordinary };
      measured = measured ? leastOf(measured, once) : once;
      if (cost.end !== "answered") break;
    }
    return measured as Measured;
  }

  const measure: CostRig["measure"] = async (asked, times) => {
    const baseline = await baselineOf(asked);
    return repeated(asked, times, async () => baseline);
  };
  const compare: CostRig["compare"] = (asked, times) =>
    repeated(asked, times, async () => scaled(await measureOrdinary(asked), asked));

  return {
    measure,
    compare,
    [Symbol.asyncDispose]: async () => {
      await gateway[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

export const leastOf = (one: Measured, other: Measured): Measured => ({
  bytes: other.bytes,
  cost: least(one.cost, other.cost),
  ordinary: mean(one.ordinary, other.ordinary),
});

/** The same picture takes 30 or 120 ms, by how the machine's memory lies: the lower one alone is no measure for a body. */
const mean = (one: Cost, other: Cost): Cost => ({
  ...other,
  cpuMs: (one.cpuMs + other.cpuMs) / 2,
  memoryBytes: (one.memoryBytes + other.memoryBytes) / 2,
  stallMs: (one.stallMs + other.stallMs) / 2,
});

/** Of two measures of the same the lower one, in everything: what is above it is the machine's. */
function least(one: Cost, other: Cost): Cost {
  if (other.end !== "answered") return other;
  if (one.end !== "answered") return one;
  return {
    cpuMs: Math.min(one.cpuMs, other.cpuMs),
    memoryBytes: Math.min(one.memoryBytes, other.memoryBytes),
    stallMs: Math.min(one.stallMs, other.stallMs),
    end: "answered",
  };
}
