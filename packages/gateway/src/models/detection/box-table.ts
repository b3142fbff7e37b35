import { listedNames, type Tensor, UpstreamFailedError } from "@tensorgate/core";
import { type DetectorField, type DetectorFormat, detectorOutputs } from "@tensorgate/tf-serving";
import { outputNamed } from "../output-values.ts";
import { assertFinite, numericValues } from "./numeric-values.ts";

/** Values of every box in one output: value `which` of box `row` is at `start + row × rowStride + which × valueStride`. */
export interface BoxColumn {
  /** Of the output. */
  readonly name: string;
  readonly values: Float32Array;
  readonly start: number;
  readonly rowStride: number;
  readonly valueStride: number;
  /** Values of a box from `start` on. */
  readonly width: number;
}

/** Boxes of one picture as the outputs have them, not yet copied. */
export interface BoxTable {
  readonly rowCount: number;
  readonly boxes: BoxColumn;
  readonly score: BoxColumn | undefined;
  readonly class: BoxColumn | undefined;
  readonly classScores: BoxColumn | undefined;
  readonly objectness: BoxColumn | undefined;
}

export function columnValue(
  { values, start, rowStride, valueStride }: BoxColumn,
  row: number,
  which = 0,
): number {
  return values[start + row * rowStride + which * valueStride] as number;
}

/**
 * Finds the values of every box in the outputs of one picture.
 *
 * @param classCount - scores per class, where the output has other values after them; all to the end by default
 * @throws UpstreamFailedError that names the output which is missing, has another shape, or holds NaN or infinity
 */
export function boxTable(
  format: DetectorFormat,
  outputs: ReadonlyMap<string, Tensor>,
  classCount?: number,
): BoxTable {
  const tensorOf = outputFinder(format, outputs);
  const grid = boxGrid(format, tensorOf(format.boxes));
  const rowCount = format.count ? countOf(format.count, tensorOf, grid.rows) : grid.rows;
  const readValues = valueReader(format, rowCount);

  const column = (field: DetectorField, minWidth: number): BoxColumn => {
    const found = tensorOf(field);
    const { rows, width } =
      field.output === format.boxes.output ? grid : gridOf(format, found, grid.rows);
    const { at = 0 } = field;
    if (at + minWidth > width) {
      throw new UpstreamFailedError(
        `output "${found.name}" of shape [${found.tensor.shape}] has ${width} values per box; expected at least ${at + minWidth}`,
      );
    }
    const isBoxesFirst = format.layout === "boxes-first";
    return {
      name: found.name,
      values: readValues(found, width),
      start: isBoxesFirst ? at : at * rows,
      rowStride: isBoxesFirst ? width : 1,
      valueStride: isBoxesFirst ? 1 : rows,
      width: width - at,
    };
  };
  const optional = (field: DetectorField | undefined) => field && column(field, 1);
  const ofClasses = format.classScores && column(format.classScores, classCount ?? 1);
  return {
    rowCount,
    boxes: column(format.boxes, 4),
    score: optional(format.score),
    class: optional(format.class),
    classScores: ofClasses && { ...ofClasses, width: classCount ?? ofClasses.width },
    objectness: optional(format.objectness),
  };
}

interface FoundOutput {
  readonly name: string;
  readonly tensor: Tensor;
}

type FindOutput = (field: Pick<DetectorField, "output">) => FoundOutput;

/** A detector that reads a single output reads the only one of a reply, whatever its name. */
function outputFinder(format: DetectorFormat, outputs: ReadonlyMap<string, Tensor>): FindOutput {
  const [only] = outputs;
  if (only && outputs.size === 1 && detectorOutputs(format).length === 1) {
    const [name, tensor] = only;
    return () => ({ name, tensor });
  }
  return ({ output }) => ({ name: output, tensor: outputNamed(output, outputs) });
}

interface Grid {
  readonly rows: number;
  /** Values of each box. */
  readonly width: number;
}

function boxGrid({ layout }: DetectorFormat, { name, tensor }: FoundOutput): Grid {
  const extents = withoutBatch(tensor.shape);
  const [first = 0, second = 0] = extents;
  const grid =
    layout === "boxes-first" ? { rows: first, width: second } : { rows: second, width: first };
  if (extents.length === 2) return grid;
  const expected = layout === "boxes-first" ? "boxes, values" : "values, boxes";
  throw new UpstreamFailedError(
    `output "${name}" has shape [${tensor.shape}]; expected [1, ${expected}]`,
  );
}

/** Finds the rows of an output beside that of the boxes, whose number is known from the boxes. */
function gridOf({ layout }: DetectorFormat, { name, tensor }: FoundOutput, rows: number): Grid {
  const { shape } = tensor;
  const isRow = shape.every((extent) => extent === 1 || extent === rows);
  const count = shape.reduce((product, extent) => product * extent, 1);
  if (isRow && count === rows) return { rows, width: 1 };
  const extents = withoutBatch(shape);
  const [first = 0, second = 0] = extents;
  const [found, width] = layout === "boxes-first" ? [first, second] : [second, first];
  if (extents.length === 2 && found === rows) return { rows, width };
  throw new UpstreamFailedError(
    `output "${name}" has shape [${shape}], which does not match ${rows} boxes`,
  );
}

/** @returns the extents without leading ones, down to two */
function withoutBatch(shape: readonly number[]): readonly number[] {
  let from = 0;
  while (shape.length - from > 2 && shape[from] === 1) from += 1;
  return shape.slice(from);
}

function countOf(field: Pick<DetectorField, "output">, tensorOf: FindOutput, rows: number): number {
  const { name, tensor } = tensorOf(field);
  const values = numericValues(name, tensor);
  const [count = Number.NaN] = values;
  if (values.length === 1 && Number.isInteger(count) && count >= 0 && count <= rows) return count;
  throw new UpstreamFailedError(
    `output "${name}" is ${tensor.dtype} [${listedNames([...values].map(String))}]; expected the number of boxes, 0 to ${rows}`,
  );
}

/** Reads each output once. Values of boxes beyond those that count are not looked at: some models leave them undefined. */
function valueReader({ layout }: DetectorFormat, rowCount: number) {
  const read = new Map<string, Float32Array>();
  return ({ name, tensor }: FoundOutput, width: number): Float32Array => {
    const known = read.get(name);
    if (known) return known;
    const values = numericValues(name, tensor);
    if (!verified.has(tensor)) {
      assertFinite(name, layout === "boxes-first" ? values.subarray(0, rowCount * width) : values);
    }
    verified.add(tensor);
    read.set(name, values);
    return values;
  };
}

/** Outputs without NaN: they are read once to verify the reply, and again for their boxes. */
const verified = new WeakSet<Tensor>();
