import type { LabelScore } from "@tensorgate/web-client";
import { createHtml, createSvg } from "../elements.ts";
import type { Answer } from "../gateway.ts";

/** What an answer looks like: elements, and the row of each box. */
export interface ResultView {
  readonly elements: readonly HTMLElement[];
  readonly boxRows: readonly HTMLElement[];
}

/** Creates the elements of an answer. */
export function resultView(answer: Answer): ResultView {
  switch (answer.task) {
    case "classify":
      return labelList(answer.labels, false);
    case "detect":
      return labelList(answer.found.boxes, true);
    case "embed":
      return { elements: featuresView(answer.features), boxRows: [] };
    case "predict":
      return {
        elements: [createHtml("p", { class: "hint" }, "The tensors are in the tab JSON.")],
        boxRows: [],
      };
  }
}

/** Creates a list of labels, best first. */
export function labelList(labels: readonly LabelScore[], isOfBoxes: boolean): ResultView {
  const rows = labels.map((label) => labelRow(label, isOfBoxes));
  const list = createHtml("ol", { class: "labels" }, ...rows);
  const nothing = createHtml("p", { class: "hint" }, "Nothing found. A lower score may show more.");
  return { elements: [rows.length > 0 ? list : nothing], boxRows: isOfBoxes ? rows : [] };
}

function labelRow({ label, score }: LabelScore, isOfBox: boolean): HTMLLIElement {
  // A row of a box takes the focus, so that its box can be found without a mouse.
  const inside = isOfBox ? createHtml("button", { type: "button" }) : createHtml("div");
  inside.append(
    createHtml("progress", { value: score, max: 1, "aria-hidden": "true" }),
    createHtml("span", {}, label),
    createHtml("span", {}, `${(score * 100).toFixed(1)} %`),
  );
  return createHtml("li", {}, inside);
}

/** Most features that are drawn; the picture of more would be finer than a screen. */
const maxBars = 512;

function featuresView(features: Float32Array): readonly HTMLElement[] {
  const length = Math.hypot(...features.subarray(0, 100_000));
  const shown = [...features.subarray(0, maxBars)];
  const max = Math.max(1e-9, ...shown.map(Math.abs));
  const bars = shown.map((value, index) => {
    const height = (Math.abs(value) / max) * 40;
    return createSvg("rect", { x: index, y: value < 0 ? 40 : 40 - height, width: 1, height });
  });
  const chart = createSvg(
    "svg",
    {
      class: "features",
      viewBox: `0 0 ${shown.length} 80`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": `${features.length} features`,
    },
    ...bars,
  );
  const figure = createHtml("div", {});
  figure.append(chart);
  const first = [...features.subarray(0, 4)].map((value) => value.toFixed(3)).join(", ");
  return [
    figure,
    createHtml(
      "p",
      { class: "hint" },
      `${features.length} values: ${first}${features.length > 4 ? ", …" : ""} · length ${length.toFixed(2)}`,
    ),
  ];
}
