import type { GatewayOptions } from "@tensorgate/gateway";
import { type Child, startChild } from "../child.ts";
import type { GatewayCommands } from "../gateway/commands.ts";
import { modelName } from "../replica/replies.ts";
import type { Replica } from "./replica.ts";

/** A gateway at a fixed port, which a restart keeps. */
export interface RunningGateway extends AsyncDisposable {
  readonly port: number;
  readonly child: Child<GatewayCommands>;
  /** Starts another process at the same port, when the one before has ended. */
  restart(): Promise<void>;
}

export interface GatewayPlan {
  readonly replicas: readonly Replica[];
  /** Whether the model's Predict may be retried. */
  readonly isIdempotent: boolean;
  /** Requests that each replica processes at the same time. */
  readonly concurrency: number;
}

/** Environment variable with how gateways reach replicas: `own` or `node`. */
export const transportVariable = "TENSORGATE_CHAOS_TRANSPORT";

export async function startGateway(plan: GatewayPlan): Promise<RunningGateway> {
  let child = startChild<GatewayCommands>("gateway/gateway-process.ts");
  const { port } = await child.ask("start", optionsOf(plan, 0));
  return {
    port,
    get child() {
      return child;
    },
    restart: async () => {
      await child.ended;
      child = startChild<GatewayCommands>("gateway/gateway-process.ts");
      await child.ask("start", optionsOf(plan, port));
    },
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}

function optionsOf(
  { replicas, isIdempotent, concurrency }: GatewayPlan,
  port: number,
): GatewayOptions {
  const regions = [...new Set(replicas.map(({ region }) => region))];
  const [region = "local"] = regions;
  const { [transportVariable]: transport } = process.env;
  return {
    region,
    ...(transport === "node" && { upstream: { transport } }),
    // A load comes from few connections, with many calls on each.
    listen: { port, maxStreamsPerConnection: 4_096 },
    models: [{ name: modelName, idempotent: isIdempotent }],
    pools: regions.map((name) => ({
      model: modelName,
      region: name,
      replicas: replicas.filter((each) => each.region === name).map(({ address }) => address),
      parallelism: concurrency,
    })),
  };
}
