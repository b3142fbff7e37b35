import type { Tensor } from "@tensorgate/core";
import type { ModelOptions } from "@tensorgate/gateway";
import { type FakeReplicaOptions, startFakeReplica } from "./fake-replica.ts";
import { classScores } from "./family-answers.ts";
import { samplePicture } from "./pictures.ts";
import { replicaChanges } from "./replica-changes.ts";
import { startGateway } from "./running-gateway.ts";

const star = samplePicture("star");
const probeIntervalMs = 50;

/** A classifier of three labels. */
export const classModel = (more: Partial<ModelOptions> = {}): ModelOptions => ({
  name: "m",
  input: { tensor: "images" },
  output: { scores: { holds: "probabilities" } },
  labels: ["none", "one", "two"],
  ...more,
});

/** A replica whose versions can be exchanged, and that counts what it answers. */
export async function startVersioned(initial: readonly bigint[], options: FakeReplicaOptions = {}) {
  let versions = initial;
  let answered = 0;
  const replica = await startFakeReplica({
    versions: () => versions,
    answer: (): ReadonlyMap<string, Tensor> => {
      answered += 1;
      return new Map([["scores", classScores(3, { 1: 1 })]]);
    },
    ...options,
  });
  return {
    ...replica,
    answeredCount: () => answered,
    rollOut: (next: readonly bigint[]) => {
      versions = next;
    },
  };
}

export const poolOf = (
  replicas: readonly { readonly address: string }[],
  region = "westeurope",
) => ({
  model: "m",
  region,
  replicas: replicas.map(({ address }) => address),
});

/** A gateway before these replicas, all of which are ready. */
export async function startBefore(
  replicas: readonly { readonly address: string }[],
  models = [classModel()],
  routing: object = {},
) {
  const changes = replicaChanges();
  const running = await startGateway(
    {},
    { models, pools: [poolOf(replicas)], routing: { probeIntervalMs, ...routing } },
    { onReplica: changes.onReplica },
  );
  await Promise.all(replicas.map((_, index) => changes.until(`westeurope-${index + 1}`, "ready")));
  return { ...running, changes };
}

/** Has a picture classified. */
export async function classify(url: string, query = "", headers: Record<string, string> = {}) {
  const response = await fetch(`${url}/v1/classify/m${query}`, {
    method: "POST",
    body: star,
    headers,
  });
  const json = (await response.json()) as {
    readonly model?: { readonly version: string };
    readonly results?: readonly { readonly labels: readonly { readonly label: string }[] }[];
    readonly reason?: string;
    readonly hint?: string;
  };
  return {
    status: response.status,
    version: json.model?.version,
    label: json.results?.[0]?.labels[0]?.label,
    reason: json.reason,
    hint: json.hint,
    cache: response.headers.get("server-timing")?.match(/cache;desc=(\w+);dur=/)?.[1],
  };
}
