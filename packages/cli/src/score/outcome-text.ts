import { styleText } from "node:util";
import type { DetectedBox, LabelScore } from "@tensorgate/core";
import { failureText } from "../call-failure.ts";

/** The outcome of one picture: labels, boxes or an error. */
export type ScoredPicture =
  | { readonly input: string; readonly labels: readonly LabelScore[] }
  | { readonly input: string; readonly boxes: readonly DetectedBox[] }
  | { readonly input: string; readonly error: Error };

/** A format of outcomes, line by line. */
export interface OutcomeFormat {
  readonly head?: string;
  line(outcome: ScoredPicture): string;
}

/** JSON lines, for programs. */
export const jsonLines: OutcomeFormat = {
  line: (outcome) => {
    if ("error" in outcome) {
      const { input, error } = outcome;
      return JSON.stringify({
        input,
        error: { ...failureInfo(error), message: failureText(error) },
      });
    }
    return JSON.stringify(outcome);
  },
};

/** CSV, for spreadsheets: a row per label or box, or with the error. */
export const commaSeparated: OutcomeFormat = {
  head: "input,index,label,score,x,y,width,height,error",
  line: (outcome) => {
    if ("error" in outcome)
      return row([outcome.input, ...Array(7).fill(""), failureText(outcome.error)]);
    const { input } = outcome;
    const found = resultsOf(outcome);
    if (found.length === 0) return row([input, ...Array(8).fill("")]);
    return found
      .map((each) => {
        const { x = "", y = "", width = "", height = "" } = isBox(each) ? each.box : {};
        const { index, label, score } = each;
        return row([input, index, label, score, x, y, width, height, ""]);
      })
      .join("\n");
  },
};

/** Creates a table for a terminal. @param inputs - all inputs, for the width of the first column */
export function alignedTable(inputs: readonly string[], hasColours: boolean): OutcomeFormat {
  const width = Math.min(48, Math.max(...inputs.map(({ length }) => length)));
  const styled = (style: "red" | "dim", text: string) =>
    hasColours ? styleText(style, text, { validateStream: false }) : text;
  return {
    line: (outcome) => {
      const name = outcome.input.padEnd(width);
      if ("error" in outcome) return `${name}  ${styled("red", failureText(outcome.error))}`;
      const cells = resultsOf(outcome).map((each) => {
        const place = isBox(each)
          ? ` at ${Math.round(each.box.x)},${Math.round(each.box.y)} ${Math.round(each.box.width)}×${Math.round(each.box.height)}`
          : "";
        return `${each.label} ${styled("dim", `${(each.score * 100).toFixed(1)} %${place}`)}`;
      });
      return `${name}  ${cells.join("  ") || styled("dim", "nothing found")}`;
    },
  };
}

function resultsOf(
  outcome: Exclude<ScoredPicture, { readonly error: Error }>,
): readonly (LabelScore | DetectedBox)[] {
  return "boxes" in outcome ? outcome.boxes : outcome.labels;
}

function isBox(each: LabelScore | DetectedBox): each is DetectedBox {
  return "box" in each;
}

function failureInfo(error: Error): object {
  const { reason, requestId } = error as { readonly reason?: string; readonly requestId?: string };
  return { ...(reason !== undefined && { reason }), ...(requestId !== undefined && { requestId }) };
}

/** @see RFC 4180; a cell that begins like a formula is taken for one by spreadsheets, and gets a quote before it */
function row(cells: readonly (string | number)[]): string {
  return cells
    .map((cell) => {
      if (typeof cell === "number") return String(cell);
      const text = /^([=+@\t\r]|-.)/.test(cell) ? `'${cell}` : cell;
      return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    })
    .join(",");
}
