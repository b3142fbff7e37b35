import { isDeepStrictEqual } from "node:util";
import { type Clock, poll, UpstreamAnsweredError } from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import type { GatewayOptions, PoolOptions } from "../config/gateway-options.ts";
import type { ModelOptions } from "../models/options.ts";
import { systemClockAndRandom } from "../system-clock.ts";
import { type ManifestRequest, readManifest } from "../upstream/read-manifest.ts";
import { modelOptionsFromManifest, parseModelManifest } from "./manifest-options.ts";

/** How often model servers are asked, in milliseconds: a version with other labels may take over at any time. */
const intervalMs = 5_000;

/** Time limit of a question, in milliseconds; the start of the gateway waits so long at most. */
const timeoutMs = 2_000;

/** Replicas of a model that are asked at a time, one after the other. */
const maxAsked = 3;

/** Rounds without a question after a server has said that it has no manifests, as TensorFlow Serving does. */
const pausedRounds = 11;

export interface WatchManifestsDeps {
  /** Gets a line for each model that is described, or cannot be; nothing is logged by default. */
  readonly log?: {
    readonly info: (line: string) => void;
    readonly warn: (line: string) => void;
  };
  readonly clock?: Clock;
  /** Asks a model server; over the network by default. */
  readonly read?: (request: ManifestRequest) => Promise<string | undefined>;
}

/** What model servers say of the models that a configuration does not describe. */
export interface WatchedManifests extends Disposable {
  /** Asks the servers of the models that these options only name, for two seconds at most. */
  look(options: GatewayOptions): Promise<void>;
  /** Returns options in which models that are only named are described as their servers do. */
  described(options: GatewayOptions): GatewayOptions;
  /** Begins to look for changes. `options` returns those that were read last. */
  watch(how: { readonly options: () => GatewayOptions; readonly onChange: () => void }): void;
}

/** Settings that do not say what a model is. */
const otherSettings: ReadonlySet<string> = new Set([
  "name",
  ...["cache", "idempotent", "residency", "hedge", "weights"],
]);

const isOnlyNamed = (model: ModelOptions) =>
  Object.keys(model).every((setting) => otherSettings.has(setting));

/** The models of a configuration; without a list those of its pools. */
function modelsOf({ models, pools }: GatewayOptions): readonly ModelOptions[] {
  return models ?? [...new Set(pools.map(({ model }) => model))].map((name) => ({ name }));
}

/**
 * Describes models by the manifests of model servers, so that labels, preprocessing, task and outputs of a version need
 * not be in the configuration. What the configuration says of a model is not touched.
 */
export function watchManifests({
  log = { info: () => {}, warn: () => {} },
  clock = systemClockAndRandom.clock,
  read = readManifest,
}: WatchManifestsDeps = {}): WatchedManifests {
  let known: ReadonlyMap<string, ModelOptions> = new Map();
  const said = new Set<string>();
  const paused = new Map<string, number>();
  let polling: Disposable | undefined;

  async function look(options: GatewayOptions): Promise<boolean> {
    const names = modelsOf(options)
      .filter(isOnlyNamed)
      .map(({ name }) => name);
    const found = await Promise.all(names.map((name) => describedBy(name, options.pools)));
    const next = new Map(found.flatMap((model) => (model ? [[model.name, model]] : [])));
    const hasChanged = !isDeepStrictEqual(known, next);
    for (const [name, model] of next) {
      if (!isDeepStrictEqual(known.get(name), model)) log.info(descriptionText(model));
    }
    known = next;
    return hasChanged;
  }

  /** Asks replicas until one answers. While none does, what was said last holds. */
  async function describedBy(
    model: string,
    pools: readonly PoolOptions[],
  ): Promise<ModelOptions | undefined> {
    const roundsLeft = paused.get(model) ?? 0;
    paused.set(model, Math.max(0, roundsLeft - 1));
    if (roundsLeft > 0) return known.get(model);
    for (const request of requestsFor(model, pools).slice(0, maxAsked)) {
      const text = await read({ ...request, timeoutMs, clock }).catch(textOfFailure);
      // The next replica may answer, or this one the next time; routing reports those that do not.
      if (text === unanswered) continue;
      if (text !== undefined) return modelFrom(model, text);
      paused.set(model, pausedRounds);
      return undefined;
    }
    return known.get(model);
  }

  function modelFrom(name: string, text: string): ModelOptions | undefined {
    try {
      const model = modelOptionsFromManifest(name, parseModelManifest(text));
      return model.family || model.input ? model : undefined;
    } catch (thrown) {
      const warning = `model ${name} is not described by its server: ${(thrown as Error).message}`;
      if (!said.has(warning) && said.size < 1_000) log.warn(warning);
      said.add(warning);
      return undefined;
    }
  }

  return {
    look: async (options) => {
      const { promise: isLate, resolve } = Promise.withResolvers<void>();
      using _timer = clock.setTimer(timeoutMs, resolve);
      await Promise.race([look(options), isLate]);
    },
    described: (options) => {
      if (known.size === 0) return options;
      const models = modelsOf(options).map((model) =>
        isOnlyNamed(model) ? { ...known.get(model.name), ...model } : model,
      );
      return { ...options, models };
    },
    watch: ({ options, onChange }) => {
      const task = async () => {
        if (await look(options())) onChange();
      };
      polling = poll(task, { intervalMs, clock });
    },
    [Symbol.dispose]: () => polling?.[Symbol.dispose](),
  };
}

const unanswered = Symbol("unanswered");

/** A server that rejects the question has no manifests; one that does not know the model may be loading it. */
function textOfFailure(thrown: unknown): undefined | typeof unanswered {
  const isRejected =
    thrown instanceof UpstreamAnsweredError && thrown.grpcCode !== grpcCode.NOT_FOUND;
  return isRejected ? undefined : unanswered;
}

function descriptionText({ name, family, labels = [] }: ModelOptions): string {
  const text = family ?? `${labels.length} labels`;
  return `model ${name} is described by its server: ${text}`;
}

/** The replicas of a model that may have a manifest, nearest settings with them. */
function requestsFor(model: string, pools: readonly PoolOptions[]) {
  return pools
    .filter((pool) => pool.model === model && (pool.dialect ?? "tensorflow-serving") === stock)
    .flatMap(({ replicas = [], tls, key }) =>
      replicas.map((address) => ({
        address: address.replace(/^dns:\/\/\//, ""),
        model,
        ...(tls && { tls }),
        ...(key && { key }),
      })),
    );
}

const stock = "tensorflow-serving";
