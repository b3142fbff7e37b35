import { floatValues, isFloat, type Tensor, UpstreamFailedError } from "@tensorgate/core";
import { outputNamed } from "../output-values.ts";
import { type AnchorLayer, type AnchorSize, anchorLayers, anchorSizes } from "./anchors.ts";

/** One layer of a head for one picture. */
export interface HeadLayer {
  readonly layer: AnchorLayer;
  readonly anchors: readonly AnchorSize[];
  readonly rows: number;
  readonly columns: number;
  readonly classCount: number;
  /** `[rows, columns, anchors, classes]`. */
  readonly logits: Float32Array;
  /** `[rows, columns, anchors, 4]`. */
  readonly offsets: Float32Array;
}

/**
 * Reads the twelve outputs of an SSD head. Grids are taken from the tensors: the finest has 37 or 38 cells a side.
 *
 * @param names - of six outputs with class logits, then six with box offsets, finest layer first
 * @throws UpstreamFailedError if one is missing, their shapes do not go together, or they contain NaN
 */
export function headLayers(
  names: readonly string[],
  outputs: ReadonlyMap<string, Tensor>,
): readonly HeadLayer[] {
  return anchorLayers.map((layer, index) => {
    const anchors = anchorSizes(layer);
    const scores = grid(names[index] ?? "", outputs);
    const boxes = grid(names[index + anchorLayers.length] ?? "", outputs);
    assertAnchors(scores, anchors.length);
    assertAnchors(boxes, anchors.length);
    if (boxes.rows !== scores.rows || boxes.columns !== scores.columns || boxes.depth !== 4) {
      throw new UpstreamFailedError(
        `outputs "${scores.name}" [${scores.shape}] and "${boxes.name}" [${boxes.shape}] do not match`,
      );
    }
    return {
      layer,
      anchors,
      rows: scores.rows,
      columns: scores.columns,
      classCount: scores.depth,
      logits: scores.values,
      offsets: boxes.values,
    };
  });
}

interface Grid {
  readonly name: string;
  readonly shape: readonly number[];
  readonly rows: number;
  readonly columns: number;
  readonly anchors: number;
  readonly depth: number;
  readonly values: Float32Array;
}

/** @returns an output of shape `[rows, columns, anchors, depth]`, with a batch axis of 1 before it or without */
function grid(name: string, outputs: ReadonlyMap<string, Tensor>): Grid {
  const tensor = outputNamed(name, outputs);
  const { dtype, shape } = tensor;
  const extents = shape.length === 5 && shape[0] === 1 ? shape.slice(1) : shape;
  const [rows = 0, columns = 0, anchors = 0, depth = 0] = extents;
  if (!isFloat(dtype) || extents.length !== 4) {
    throw new UpstreamFailedError(
      `output "${name}" is ${dtype} of shape [${shape}]; expected floating-point numbers [1, rows, columns, anchors, values]`,
    );
  }
  const values = floatValues(tensor);
  if (!verified.has(tensor)) assertNumbers(name, values);
  verified.add(tensor);
  return { name, shape, rows, columns, anchors, depth, values };
}

/** Outputs without NaN: a head is read once to verify the reply, and again for its boxes. */
const verified = new WeakSet<Tensor>();

/** A plain loop: there are 200,000 values in a head, and a callback for each takes six times as long. */
function assertNumbers(name: string, values: Float32Array): void {
  for (let at = 0; at < values.length; at += 1) {
    if (Number.isNaN(values[at])) {
      throw new UpstreamFailedError(`output "${name}" contains NaN at index ${at}`);
    }
  }
}

function assertAnchors({ name, shape, anchors }: Grid, expected: number): void {
  if (anchors === expected) return;
  throw new UpstreamFailedError(
    `output "${name}" of shape [${shape}] has ${anchors} anchors per cell; expected ${expected}`,
  );
}
