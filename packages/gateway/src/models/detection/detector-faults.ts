import { detectorFormat } from "@tensorgate/tf-serving";
import type { InputOptions } from "../input-options.ts";
import type { ModelOptions } from "../release-options.ts";

interface DetectorFault {
  readonly path: readonly string[];
  readonly message: string;
}

/** What the description of a detector cannot mean, though each part of it is well formed. */
export function detectorFaults({
  detector,
  family,
  input,
}: ModelOptions): readonly DetectorFault[] {
  if (!detector) return [];
  const faults: DetectorFault[] = [];
  const add = (setting: string, message: string) =>
    faults.push({ path: ["detector", ...(setting === "" ? [] : [setting])], message });
  const { boxes, score, class: classes, ...format } = detectorFormat(detector);
  const { classScores, objectness, count } = format;
  if (family !== undefined) add("", `excludes family: ${family}`);
  if (!boxes) add("boxes", "required without preset: the output that holds the boxes");
  if (score && classScores) add("score", "excludes classScores");
  if (!score && !classScores) {
    add("score", "required: the score of a box, with its class, or classScores");
  }
  if (classes && !score) add("class", "requires score");
  if (objectness && !classScores) add("objectness", "requires classScores");
  if (format.activation === "softmax" && !classScores)
    add("activation", "softmax requires classScores");
  if (format.background === "last" && !classScores) {
    add("background", "last requires classScores; use classOffset for class numbers");
  }
  if (count && format.layout !== "boxes-first") add("count", "requires layout: boxes-first");
  if (!isResizeKnown(input) && format.boxUnits === "input-pixels") {
    faults.push({
      path: ["input"],
      message:
        "boxes in pixels of the input require its size: set heightPx and widthPx, or detector.boxUnits",
    });
  }
  if (input?.kind === "pixels" && format.boxUnits === "source-pixels") {
    add(
      "boxUnits",
      "source-pixels requires an encoded picture; a model that takes pixels gives input-pixels",
    );
  }
  return faults;
}

/** Whether the gateway knows how pictures become the input. */
function isResizeKnown(input: InputOptions | undefined): boolean {
  if (!input || input.kind === "pixels" || input.resize === "fit") return true;
  return input.heightPx !== undefined && input.widthPx !== undefined;
}
