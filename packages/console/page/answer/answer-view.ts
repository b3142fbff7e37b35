import { ScoringError } from "@tensorgate/web-client";
import { readableBody } from "../calls/recorder.ts";
import { createHtml, element } from "../elements.ts";
import { type Answer, metaOf, recorder } from "../gateway.ts";
import { linkBoxes, showBoxes } from "./boxes-view.ts";
import { costBar, costOf } from "./cost-bar.ts";
import { resultView } from "./result-view.ts";

/** Shows a response beside its picture, as it came over the wire, and where its time went. */
export function showAnswer(answer: Answer, overlay: SVGElement, elapsedMs: number): void {
  const { elements, boxRows } = resultView(answer);
  element("answer").replaceChildren(...elements);
  showBoxes(overlay, answer.task === "detect" ? answer.found : undefined);
  linkBoxes(overlay, boxRows);
  const meta = metaOf(answer);
  const call = recorder.find(meta.requestId);
  element<HTMLTextAreaElement>("raw").value = call ? readableBody(call.text) : "";
  const { timing, upload, cache, attempts = 1, requestId } = meta;
  element("cost").replaceChildren(...(timing ? [costBar(costOf(timing, elapsedMs))] : []));
  const region = meta.region ?? call?.region;
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
  element<HTMLTextAreaElement>("raw").value = "";
  if (overlay) showBoxes(overlay, undefined);
  element("cost").replaceChildren();
  element("facts").textContent = "";
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1_000).toFixed(bytes < 10_000 ? 1 : 0)} kB`;
}
