import {
  type Clock,
  type Detect,
  type DetectedBox,
  type Detections,
  type DetectRequest,
  InvalidRequestError,
  NotSupportedError,
  type Rectangle,
} from "@tensorgate/core";
import type { PictureSize } from "@tensorgate/imaging";
import { boxTable } from "./detection/box-table.ts";
import { decodedBoxes } from "./detection/decode-boxes.ts";
import type { Edges, ScoredBox, SelectOptions } from "./detection/edges.ts";
import type { ReleaseDetector } from "./detection/release-detector.ts";
import { assertResultCount, resultCount } from "./output-values.ts";
import type { Release } from "./release.ts";
import {
  createPictureScorer,
  notOffered,
  type PictureTaskDeps,
  type ScoredPicture,
} from "./score-pictures.ts";
import { headLayers } from "./ssd/head.ts";
import { selectedBoxes } from "./ssd/select-boxes.ts";

/** Creates the detector of a release: pictures to boxes. Pictures of one call are never mixed. */
export function createDetector(release: Release, deps: PictureTaskDeps, clock: Clock): Detect {
  const { detector } = release;
  if (!release.tasks.includes("detect") || !detector) return notOffered("cannot detect", release);
  const { filter, verify, read } = boxReader(release, detector);
  return createPictureScorer(release, deps, (request: DetectRequest, call) => {
    const selection = selectionFrom(request, release);
    assertResultCount(request, {
      field: "maxDetections",
      perPicture: request.maxDetections && selection.maxDetections,
    });
    return {
      filter,
      verify,
      read: (scored) => {
        const startedMs = clock.nowMs();
        const { size } = scored;
        const boxes = read(scored, selection).map((box) => detectedBox(box, release, size));
        call.times.add("post", clock.nowMs() - startedMs);
        return {
          boxes,
          image: { width: size.widthPx, height: size.heightPx },
        } satisfies Detections;
      },
    };
  });
}

/** Reads boxes from the outputs of one picture. */
interface BoxReader {
  /** Outputs to ask a replica for; empty for all. */
  readonly filter: readonly string[];
  readonly verify: (outputs: ScoredPicture["outputs"]) => void;
  readonly read: (scored: ScoredPicture, selection: SelectOptions) => readonly ScoredBox[];
}

function boxReader(release: Release, detector: ReleaseDetector): BoxReader {
  const { picture } = release;
  if (detector.kind === "ssd-head") {
    return {
      filter: [],
      verify: (outputs) => void headLayers(detector.outputs, outputs),
      read: ({ outputs }, selection) => {
        const layers = headLayers(detector.outputs, outputs);
        assertLabels(release, layers[0]?.classCount ?? 0);
        return selectedBoxes(layers, selection);
      },
    };
  }
  const { format, classCount, filter } = detector;
  return {
    filter,
    verify: (outputs) => void boxTable(format, outputs, classCount),
    read: ({ outputs, size }, selection) => {
      const table = boxTable(format, outputs, classCount);
      if (table.classScores) assertLabels(release, table.classScores.width);
      return decodedBoxes(table, { format, resize: picture?.resize, size, ...selection });
    },
  };
}

function selectionFrom(request: DetectRequest, { detection }: Release): SelectOptions {
  const selection = {
    minScore: request.minScore ?? detection.minScore,
    iouThreshold: request.iouThreshold ?? detection.iouThreshold,
    maxCandidates: resultCount("maxCandidates", request.maxCandidates ?? detection.maxCandidates),
    maxDetections: resultCount("maxDetections", request.maxDetections ?? detection.maxDetections),
  };
  for (const field of ["minScore", "iouThreshold"] as const) {
    const value = selection[field];
    if (value >= 0 && value <= 1) continue;
    throw new InvalidRequestError(`${field} must be between 0 and 1, got ${value}`, { field });
  }
  return selection;
}

function assertLabels({ name, labels }: Release, classCount: number): void {
  if (labels.length <= classCount) return;
  throw new NotSupportedError(
    `model "${name}" returned ${classCount} classes, but ${labels.length} labels are configured`,
  );
}

function detectedBox(
  { classIndex, score, edges }: ScoredBox,
  { labels }: Release,
  { widthPx, heightPx }: PictureSize,
): DetectedBox {
  return {
    index: classIndex,
    label: labels[classIndex] ?? String(classIndex),
    score,
    box: rectangle(edges, widthPx, heightPx),
    normalized: rectangle(edges, 1, 1),
  };
}

function rectangle({ top, left, bottom, right }: Edges, width: number, height: number): Rectangle {
  return {
    x: left * width,
    y: top * height,
    width: (right - left) * width,
    height: (bottom - top) * height,
  };
}
