import { float32Tensor, type Tensor } from "@tensorgate/core";

/** Scores `[1, count]` that are all `rest` but for those given by index. */
export function classScores(
  count: number,
  given: Readonly<Record<number, number>>,
  rest = 0,
): Tensor {
  const values = new Float32Array(count).fill(rest);
  for (const [index, score] of Object.entries(given)) values[Number(index)] = score;
  return float32Tensor([1, count], values);
}

/** Anchors of each layer of an SSD head, and the cells of each along one side. */
const layers = [
  { block: "block4", cells: 37, anchors: 4 },
  { block: "block7", cells: 19, anchors: 6 },
  { block: "block8", cells: 10, anchors: 6 },
  { block: "block9", cells: 5, anchors: 6 },
  { block: "block10", cells: 3, anchors: 4 },
  { block: "block11", cells: 1, anchors: 4 },
];

export interface Planted {
  readonly layer: number;
  readonly row: number;
  readonly column: number;
  readonly anchor: number;
  readonly classIndex: number;
  /** Of the class; those of the others are 0. */
  readonly logit: number;
  readonly offsets: readonly number[];
}

export interface HeadOptions {
  /** Whether its tensors are called as in the graph, or by their aliases. */
  readonly names: "raw" | "alias";
  readonly finestCells?: 37 | 38;
}

/** The twelve outputs of an SSD head for one picture: background everywhere but where something is planted. */
export function ssdHead(
  planted: readonly Planted[],
  { names, finestCells = 37 }: HeadOptions,
): ReadonlyMap<string, Tensor> {
  const outputs = new Map<string, Tensor>();
  layers.forEach(({ block, cells: usual, anchors }, layer) => {
    const cells = layer === 0 ? finestCells : usual;
    const places = cells * cells * anchors;
    const logits = new Float32Array(places * 21);
    for (let place = 0; place < places; place += 1) logits[place * 21] = 12;
    const offsets = new Float32Array(places * 4);
    for (const each of planted.filter((one) => one.layer === layer)) {
      const place = (each.row * cells + each.column) * anchors + each.anchor;
      logits[place * 21] = 0;
      logits[place * 21 + each.classIndex] = each.logit;
      offsets.set(each.offsets, place * 4);
    }
    const name = (half: number, raw: string) =>
      names === "raw" ? `ssd_300_vgg/${block}_box/${raw}` : `out_${half * 6 + layer}`;
    const shape = [1, cells, cells, anchors];
    outputs.set(name(0, "Reshape_1:0"), float32Tensor([...shape, 21], logits));
    outputs.set(name(1, "Reshape:0"), float32Tensor([...shape, 4], offsets));
  });
  return outputs;
}
