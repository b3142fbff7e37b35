import { relative } from "node:path";
import { counted } from "@tensorgate/core";
import type { Accuracy, TeachingReport } from "@tensorgate/teaching";

/** Pictures and confusions that are printed. */
const maxShown = 5;

/** Says what teaching found out, a line for each thing. @param from - folder that pictures are named relative to */
export function reportLines(report: TeachingReport, from: string): readonly string[] {
  const { heldOut, crossValidation, duplicates } = report;
  const folds = `${crossValidation.foldCount}-fold ${percent(crossValidation.share)}`;
  const nameOf = (path: string) => relative(from, path);
  const hardest = report.hardest
    .filter(({ actual, predicted }) => actual !== predicted)
    .slice(0, maxShown)
    .map(({ id, predicted, score }) => `${nameOf(id)} (${predicted} ${score.toFixed(2)})`);
  const acrossClasses = duplicates.nearest.filter(({ isAcrossClasses }) => isAcrossClasses);
  return [
    heldOut
      ? `held out: ${accuracyText(heldOut)}; ${folds}`
      : `${crossValidation.foldCount}-fold: ${accuracyText(crossValidation)}`,
    ...listed("confusion", confusions(report)),
    ...listed("hardest", hardest),
    ...(duplicates.count > 0
      ? [`${counted(duplicates.count, "pair")} of pictures with almost the same features`]
      : []),
    ...listed(
      "in two classes",
      acrossClasses
        .slice(0, maxShown)
        .map(({ first, second }) => `${nameOf(first)} = ${nameOf(second)}`),
    ),
  ];
}

function accuracyText({ rightCount, count, share, low, high }: Accuracy): string {
  const interval = `${(low * 100).toFixed(0)}–${(high * 100).toFixed(0)}`;
  return `${rightCount} of ${count} right (${percent(share)}, 95 % interval ${interval})`;
}

const percent = (share: number) => `${(share * 100).toFixed(0)} %`;

/** Classes that were taken for others, most often first. */
function confusions({ confusion, classes }: TeachingReport): readonly string[] {
  return confusion
    .flatMap((row, actual) => row.map((count, predicted) => ({ count, actual, predicted })))
    .filter(({ count, actual, predicted }) => count > 0 && actual !== predicted)
    .toSorted((a, b) => b.count - a.count)
    .slice(0, maxShown)
    .map(
      ({ count, actual, predicted }) =>
        `${classes[actual]?.name} taken for ${classes[predicted]?.name} ${count}×`,
    );
}

function listed(title: string, items: readonly string[]): readonly string[] {
  return items.length > 0 ? [`${title}: ${items.join(", ")}`] : [];
}
