import type { Detections } from "@tensorgate/web-client";
import { createSvg } from "../elements.ts";

/** Draws boxes over a picture, in its pixels. */
export function showBoxes(overlay: SVGElement, found: Detections | undefined): void {
  if (!found) {
    overlay.replaceChildren();
    return;
  }
  const { boxes, image } = found;
  const letter = Math.max(image.width, image.height) / 24;
  overlay.setAttribute("viewBox", `0 0 ${image.width} ${image.height}`);
  overlay.replaceChildren(
    ...boxes.flatMap(({ label, box: { x, y, width, height } }) => [
      createSvg("rect", { x, y, width, height }),
      createSvg(
        "text",
        { x: x + letter / 4, y: Math.max(letter, y + letter), "font-size": letter },
        label,
      ),
    ]),
  );
}
