import { createHtml } from "../elements.ts";

/** Duration of a call by its parts, in milliseconds. */
export interface Cost {
  readonly parts: readonly { readonly name: CostPart; readonly ms: number }[];
  readonly totalMs: number;
}

type CostPart = "decode" | "queue" | "device" | "gateway" | "network";

/** Part of the bar for each stage of the gateway. */
const partOfStage: Readonly<Record<string, CostPart>> = {
  decode: "decode",
  preprocess: "decode",
  admit: "queue",
  queue: "queue",
  upstream: "device",
};

/**
 * Splits the duration of a call into its parts.
 *
 * @param timing - stages of `Server-Timing`, in milliseconds, with "total"
 * @param elapsedMs - measured by the page
 */
export function costOf(timing: Readonly<Record<string, number>>, elapsedMs: number): Cost {
  const { total = 0, ...stages } = timing;
  const sum = { decode: 0, queue: 0, device: 0, gateway: 0, network: 0 };
  for (const [stage, ms] of Object.entries(stages)) sum[partOfStage[stage] ?? "gateway"] += ms;
  const known = sum.decode + sum.queue + sum.device + sum.gateway;
  sum.gateway += Math.max(0, total - known);
  sum.network = Math.max(0, elapsedMs - Math.max(total, known));
  const parts = (Object.keys(sum) as CostPart[]).map((name) => ({ name, ms: sum[name] }));
  return { parts: parts.filter(({ ms }) => ms >= 0.05), totalMs: elapsedMs };
}

/** Creates a bar with a piece for each part, as wide as its share of the time, and the same in words. */
export function costBar({ parts, totalMs }: Cost): HTMLElement {
  const sum = parts.reduce((all, { ms }) => all + ms, 0) || 1;
  const pieces = parts.map(({ name, ms }) => {
    const piece = createHtml("i", { class: name });
    piece.style.flexGrow = String(ms / sum);
    return piece;
  });
  const words = parts.map(({ name, ms }) =>
    createHtml("span", {}, createHtml("i", { class: name }), `${name} ${milliseconds(ms)}`),
  );
  return createHtml(
    "div",
    { class: "cost" },
    createHtml("div", { class: "cost-bar", "aria-hidden": "true" }, ...pieces),
    createHtml("p", { class: "cost-words" }, createHtml("b", {}, milliseconds(totalMs)), ...words),
  );
}

function milliseconds(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`;
}
