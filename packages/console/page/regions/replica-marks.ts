import type { PoolStatus, ReplicaStatus } from "@tensorgate/proto/tensorgate/v1/status";
import { createHtml } from "../elements.ts";

/** A mark for each replica, and in words how many of them are not in order. */
export function replicaMarks(pools: readonly PoolStatus[]): readonly HTMLElement[] {
  const states = pools.flatMap(({ replicas }) => replicas.map(({ state }) => state));
  const others = [...new Set(states)].filter((state) => state !== "ready");
  // No break between a number and its word.
  const words = others.map(
    (other) => `${states.filter((state) => state === other).length}\u00a0${other}`,
  );
  return [
    ...pools.flatMap(({ model, replicas }) => replicas.map((replica) => markOf(replica, model))),
    // Not read out: each mark says it already.
    ...(words.length === 0
      ? []
      : [createHtml("small", { "aria-hidden": "true" }, words.join(", "))]),
  ];
}

function markOf({ id, state, ejections }: ReplicaStatus, model: string): HTMLElement {
  const out =
    ejections === 0n ? "" : `, taken out ${ejections === 1n ? "once" : `${ejections} times`}`;
  const text = `${id} of ${model}: ${state}${out}`;
  const mark = createHtml("span", { class: `replica ${state}`, title: text });
  mark.append(createHtml("span", { class: "unseen" }, `${text}. `));
  return mark;
}
