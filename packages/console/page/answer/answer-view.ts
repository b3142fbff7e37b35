import type { Detections, LabelScore } from "@tensorgate/web-client";
import { ScoringError } from "@tensorgate/web-client";
import { createHtml, element } from "../elements.ts";
import type { Answer } from "../gateway.ts";
import { showBoxes } from "./boxes-view.ts";
import { type Cost, costBar, costOf } from "./cost-bar.ts";

/** Shows a response beside its picture, and where its time went. */
export function showAnswer(answer: Answer, overlay: SVGElement, elapsedMs: number): void {
  const found: Detections | undefined = "boxes" in answer ? answer : undefined;
  const labels: readonly LabelScore[] = found ? found.boxes : (answer as readonly LabelScore[]);
  const list = createHtml("ol", { class: "labels" }, ...labels.map(labelRow));
  const nothing = createHtml("p", { class: "hint" }, "Nothing found.");
  element("answer").replaceChildren(labels.length > 0 ? list : nothing);
  showBoxes(overlay, found);
  const { meta } = answer;
  showCost(costOf(meta.timing, elapsedMs));
  const { upload, region, cache, attempts, requestId } = meta;
  element("facts").textContent = [
    ...(region ? [`scored in ${region}`] : []),
    ...(upload ? [`${kilobytes(upload.bytes)} sent`] : []),
    ...(upload && upload.savedBytes > 0 ? [`${kilobytes(upload.savedBytes)} saved`] : []),
    ...(attempts > 1 ? [`${attempts} attempts`] : []),
    ...(cache ? [`cache: ${cache}`] : []),
    `request ${requestId.slice(0, 8)}`,
  ].join(" · ");
}

/** Shows a failure instead of a response, with what to do about it. */
export function showFailure(thrown: unknown, overlay?: SVGElement): void {
  const message =
    ScoringError.is(thrown) || thrown instanceof Error ? thrown.message : String(thrown);
  element("answer").replaceChildren(createHtml("p", { class: "error" }, message));
  if (overlay) showBoxes(overlay, undefined);
  element("cost").replaceChildren();
  element("facts").textContent = "";
}

function labelRow({ label, score }: LabelScore): HTMLLIElement {
  return createHtml(
    "li",
    {},
    createHtml("progress", { value: score, max: 1, "aria-hidden": "true" }),
    createHtml("span", {}, label),
    createHtml("span", {}, `${(score * 100).toFixed(1)} %`),
  );
}

function showCost(cost: Cost): void {
  element("cost").replaceChildren(costBar(cost));
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1_000).toFixed(bytes < 10_000 ? 1 : 0)} kB`;
}
