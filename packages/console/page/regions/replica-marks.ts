import type { PoolStatus, ReplicaStatus } from "@tensorgate/proto/tensorgate/v1/status";
import { createHtml } from "../elements.ts";

/** Creates a mark for each replica, and a text with the number of those that are not ready. */
export function replicaMarks(pools: readonly PoolStatus[]): readonly HTMLElement[] {
  const states = pools.flatMap(({ replicas }) => replicas.map(({ state }) => state));
  const others = [...new Set(states)].filter((state) => state !== "ready");
  // A non-breaking space between number and word.
  const words = others.map(
    (other) => `${states.filter((state) => state === other).length}\u00a0${other}`,
  );
  return [
    ...pools.flatMap(({ model, replicas }) => replicas.map((replica) => markOf(replica, model))),
    // Hidden from screen readers: each mark has the same text.
    ...(words.length === 0
      ? []
      : [createHtml("small", { "aria-hidden": "true" }, words.join(", "))]),
  ];
}

function markOf({ id, state, ejections }: ReplicaStatus, model: string): HTMLElement {
  const out =
    ejections === 0n ? "" : `, ejected ${ejections === 1n ? "once" : `${ejections} times`}`;
  const text = `${id} of ${model}: ${state}${out}`;
  const mark = createHtml("span", { class: `replica ${state}`, title: text });
  mark.append(createHtml("span", { class: "unseen" }, `${text}. `));
  return mark;
}
