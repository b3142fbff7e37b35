import { allAnchors, anchorBox, offsetsOf, overlap } from "./anchors.ts";
import { detectorClassCount } from "./network.ts";
import type { SceneObject } from "./scene.ts";

/** What the head should say of a batch; one row for each anchor of each picture. */
export interface BatchTargets {
  /** `[N, anchors, classes]`, one of each row is 1. */
  readonly classes: Float32Array;
  /** `[N, anchors, 1]`: 0 where an anchor is neither an object nor none. */
  readonly weights: Float32Array;
  /** `[N, anchors, 4]`. */
  readonly offsets: Float32Array;
  /** `[N, anchors, 1]`: 1 where there is an object. */
  readonly isObject: Float32Array;
  /** At least 1. */
  readonly objectCount: number;
}

/** From here on an anchor is an object's; below the second number it is background. */
const thresholds = { object: 0.5, nothing: 0.4 } as const;

const boxes = allAnchors.map(anchorBox);

/** Every object has the anchor that fits it best, and all that fit it well. */
export function batchTargets(scenes: readonly (readonly SceneObject[])[]): BatchTargets {
  const rows = scenes.length * allAnchors.length;
  const classes = new Float32Array(rows * detectorClassCount);
  const weights = new Float32Array(rows).fill(1);
  const offsets = new Float32Array(rows * 4);
  const isObject = new Float32Array(rows);
  let objectCount = 0;
  scenes.forEach((objects, picture) => {
    const owners = ownersOf(objects);
    allAnchors.forEach((anchor, which) => {
      const row = picture * allAnchors.length + which;
      const owner = owners.object[which];
      const object = owner === undefined || owner < 0 ? undefined : objects[owner];
      classes[row * detectorClassCount + (object?.classIndex ?? 0)] = 1;
      if (object) {
        objectCount += 1;
        isObject[row] = 1;
        offsets.set(offsetsOf(anchor, object.box), row * 4);
      } else if ((owners.overlap[which] ?? 0) >= thresholds.nothing) weights[row] = 0;
    });
  });
  return { classes, weights, offsets, isObject, objectCount: Math.max(1, objectCount) };
}

/** For each anchor the object that it is taken for, or -1, and how much of one it covers at most. */
function ownersOf(objects: readonly SceneObject[]) {
  const object = new Int8Array(boxes.length).fill(-1);
  const most = new Float32Array(boxes.length);
  objects.forEach(({ box }, index) => {
    let best = 0;
    let bestAt = 0;
    boxes.forEach((anchor, which) => {
      const share = overlap(anchor, box);
      if (share > best) {
        best = share;
        bestAt = which;
      }
      if (share <= (most[which] ?? 0)) return;
      most[which] = share;
      if (share >= thresholds.object) object[which] = index;
    });
    object[bestAt] = index;
    most[bestAt] = 1;
  });
  return { object, overlap: most };
}
