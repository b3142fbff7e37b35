import type { Detections } from "@tensorgate/web-client";
import { createSvg } from "../elements.ts";

/** Draws boxes over a picture, in its pixels; none if nothing was detected. */
export function showBoxes(overlay: SVGElement, found: Detections | undefined): void {
  if (!found) {
    overlay.replaceChildren();
    return;
  }
  const { boxes, image } = found;
  const letter = Math.max(image.width, image.height) / 24;
  overlay.setAttribute("viewBox", `0 0 ${image.width} ${image.height}`);
  overlay.replaceChildren(
    ...boxes.map(({ label, score, box: { x, y, width, height } }) =>
      createSvg(
        "g",
        {},
        createSvg("rect", { x, y, width, height }),
        createSvg(
          "text",
          { x: x + letter / 4, y: Math.max(letter, y + letter), "font-size": letter },
          `${label} ${(score * 100).toFixed(0)} %`,
        ),
      ),
    ),
  );
}

/** Marks a box and its row in the list when the user points at either, or moves the focus to the row. */
export function linkBoxes(overlay: SVGElement, rows: readonly HTMLElement[]): void {
  const boxes = [...overlay.children];
  rows.forEach((row, index) => {
    const box = boxes[index];
    const mark = (isMarked: boolean) => () => {
      for (const each of [row, box]) each?.classList.toggle("marked", isMarked);
      overlay.classList.toggle("has-marked", isMarked);
    };
    for (const [enter, leave] of [
      ["pointerenter", "pointerleave"],
      ["focusin", "focusout"],
    ] as const) {
      for (const each of [row, box]) {
        each?.addEventListener(enter, mark(true));
        each?.addEventListener(leave, mark(false));
      }
    }
  });
}
