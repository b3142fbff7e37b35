import { headText } from "@tensorgate/teaching";
import { createHtml } from "../elements.ts";
import type { Trained } from "./train.ts";

/** Creates what is shown of a training: its accuracy, its confusions, and the head as a file. */
export function reportView({ head, trainedMs }: Trained): readonly HTMLElement[] {
  const { report, classes, backbone } = head;
  const measured = report?.heldOut ?? report?.crossValidation;
  if (!report || !measured) return [];
  const percent = (share: number) => (share * 100).toFixed(0);
  const { rightCount, count, share, low, high } = measured;
  const { crossValidation, duplicates } = report;
  const link = createHtml("a", { download: "head.json" }, "Download the head");
  link.href = URL.createObjectURL(new Blob([headText(head)], { type: "application/json" }));
  const near =
    duplicates.count > 0
      ? ` ${duplicates.count === 1 ? "1 pair of pictures is" : `${duplicates.count} pairs of pictures are`} almost the same.`
      : "";
  return [
    createHtml(
      "p",
      { id: "teach-accuracy" },
      `Held out: ${rightCount} of ${count} right (${percent(share)} %, 95 % interval ${percent(low)}–${percent(high)}); ${crossValidation.foldCount}-fold ${percent(crossValidation.share)} %; trained in ${(trainedMs / 1_000).toFixed(2)} s.${near}`,
    ),
    confusionTable(report.confusion, classes),
    createHtml(
      "p",
      {},
      link,
      ` and register it: put it into a folder, and run tensorgate registry register NAME --from FOLDER. It needs the features of ${backbone.model}.`,
    ),
  ];
}

function confusionTable(
  confusion: readonly (readonly number[])[],
  classes: readonly string[],
): HTMLElement {
  const head = createHtml(
    "tr",
    {},
    createHtml("th", { scope: "col" }, "is \\ taken for"),
    ...classes.map((name) => createHtml("th", { scope: "col" }, name)),
  );
  const rows = confusion.map((counts, actual) =>
    createHtml(
      "tr",
      {},
      createHtml("th", { scope: "row" }, classes[actual] ?? ""),
      ...counts.map((count, predicted) =>
        createHtml(
          "td",
          { class: actual !== predicted && count > 0 ? "error" : "" },
          String(count),
        ),
      ),
    ),
  );
  const table = createHtml(
    "table",
    {},
    createHtml("caption", {}, "Held-out pictures"),
    createHtml("thead", {}, head),
    createHtml("tbody", {}, ...rows),
  );
  return createHtml(
    "div",
    { class: "scroll", tabindex: 0, role: "group", "aria-label": "Confusions" },
    table,
  );
}
