import { counted, type FixedSizeTensor, float32Tensor, type Preprocessing } from "@tensorgate/core";
import type { NodeDef } from "@tensorgate/proto/tensorflow/graph";
import type { Evaluation, Frame, SpecialOp, TensorRef } from "../convert/evaluator.ts";
import { UnsupportedError } from "../convert/op-call.ts";
import type { TensorTools } from "../convert/tensor-tools.ts";
import { poison, type TextValue } from "../convert/value.ts";
import { attributeFunction } from "../read/attributes.ts";
import { dataInputs, type GraphIndex, tensorPlace } from "../read/graph-index.ts";
import { declare, distance, type PictureSize, type Trial, triedSizes } from "./declare.ts";
import { type DecodedPicture, interleaved } from "./picture-planes.ts";

/** What was found before the network: the input takes pixels now, and these are how they are made. */
export interface FoundPreprocessing {
  /** In the ONNX model. */
  readonly input: string;
  readonly shape: readonly number[];
  readonly preprocessing: Preprocessing;
  readonly prepared: readonly PreparedPicture[];
}

/** What the graph itself makes of a picture, computed node by node. */
export interface PreparedPicture {
  /** FP32, `[1, heightPx, widthPx, channels]`. */
  readonly tensor: FixedSizeTensor;
  /** Whether the graph places the picture as the declaration does, rather than to round a side otherwise. */
  readonly isPlacedAlike: boolean;
}

export interface PictureLoopDeps {
  readonly index: GraphIndex;
  readonly tools: TensorTools;
  /** Of these it is computed what the body makes of them. */
  readonly pictures: readonly DecodedPicture[];
  readonly onFound: (found: FoundPreprocessing) => void;
  readonly onWarning: (text: string) => void;
}

/** A map over the elements of a tensor, in either generation. */
interface MapLoop {
  /** What is mapped. */
  readonly source: TensorRef;
  /** Makes the body run once more: a frame in which the element is known. */
  readonly body: (element: TextValue) => TensorRef;
}

/**
 * Replaces a map over encoded pictures by an input of pixels, and declares what it does to a picture: the body is
 * evaluated for pictures of several sizes.
 */
export function pictureLoops(deps: PictureLoopDeps): ReadonlyMap<string, SpecialOp> {
  const { index, tools, pictures, onFound, onWarning } = deps;

  function* stacked(loop: MapLoop): Evaluation {
    const source = yield loop.source;
    if (source.kind === "poison") return [source];
    if (source.kind !== "text")
      throw new UnsupportedError("a loop over what is not an input of text");
    const trials: Trial[] = [];
    for (const size of triedSizes) {
      const made = yield loop.body({ ...source, isElement: true, size });
      if (made.kind === "poison") return [poison];
      if (made.kind !== "picture") throw new UnsupportedError("a loop that makes no pictures");
      trials.push({ size, steps: made.picture });
    }
    const { preprocessing, roundedSizes } = declare(trials);
    if (roundedSizes.length > 0) onWarning(roundingText(roundedSizes));
    const prepared: PreparedPicture[] = [];
    for (const { pixels, ...size } of pictures) {
      const made = yield loop.body({ ...source, isElement: true, size, pixels });
      if (made.kind !== "picture") throw new UnsupportedError("a loop that makes no pictures");
      prepared.push(preparedPicture(preprocessing, { size, steps: made.picture }));
    }
    const [{ steps }] = trials as [Trial];
    const shape = [-1, steps.heightPx, steps.widthPx, steps.channels.length];
    const name = tools.graph.input(source.input, { dtype: "FP32", shape });
    onFound({ input: name, shape, preprocessing, prepared });
    return [tools.made(name, { dtype: "FP32", shape })];
  }

  return new Map<string, SpecialOp>([
    ["TensorArrayGatherV3", (node, frame) => stacked(arrayLoop(node, frame))],
    ["TensorListStack", (node, frame) => stacked(listLoop(node, frame, index))],
    ...["While", "StatelessWhile", "Exit", "NextIteration"].map((op) => [op, otherLoop] as const),
  ]);
}

function preparedPicture({ resize }: Preprocessing, trial: Trial): PreparedPicture {
  const { heightPx, widthPx, channels } = trial.steps;
  const values = interleaved(channels.flatMap(({ plane }) => plane ?? []));
  return {
    tensor: float32Tensor([1, heightPx, widthPx, channels.length], values),
    isPlacedAlike: distance(resize, trial) === 0,
  };
}

function roundingText(sizes: readonly PictureSize[]): string {
  const listed = sizes.map(({ heightPx, widthPx }) => `${widthPx}×${heightPx}`).join(", ");
  const count = counted(sizes.length, "picture size");
  return `preprocessing: for ${count} of ${triedSizes.length} the graph rounds one pixel otherwise (${listed})`;
}

const handsOn = new Set(["Identity", "Enter", "Switch", "Merge", "NextIteration", "Exit"]);

/** Follows a tensor back through what only hands it on. */
function origin({ body }: Frame, tensor: string) {
  let at = tensor;
  for (let step = 0; step < 1_000; step += 1) {
    const place = tensorPlace(at, body);
    const node = body.nodes.get(place.name);
    if (!node || !handsOn.has(node.op)) return { ...place, node };
    at = dataInputs(node)[0] ?? "";
  }
  throw new UnsupportedError("a loop that goes round in circles");
}

const notAMap = () => new UnsupportedError("a loop that is not a map over encoded pictures");

/** Refused before its inputs are evaluated: in TensorFlow 1 they go round in a circle. */
const otherLoop: SpecialOp = () => {
  throw notAMap();
};

/** TensorFlow 1: arrays that are scattered, read, written and gathered, with frames in one graph. */
function arrayLoop(node: NodeDef, frame: Frame): MapLoop {
  const nodes = [...frame.body.nodes.values()];
  const arrayOf = (each: NodeDef) => origin(frame, dataInputs(each)[0] ?? "").node;
  const result = arrayOf(node);
  const write = nodes.find((each) => each.op === "TensorArrayWriteV3" && arrayOf(each) === result);
  const reads = nodes.filter(({ op }) => op === "TensorArrayReadV3");
  const scatters = nodes.filter(({ op }) => op === "TensorArrayScatterV3");
  const needed = write && neededReads(frame, dataInputs(write)[2] ?? "", new Set(reads));
  const [read] = needed ?? [];
  const scatter = read && scatters.find((each) => arrayOf(each) === arrayOf(read));
  if (!write || !read || !scatter) throw notAMap();
  return {
    source: { frame, tensor: dataInputs(scatter)[2] ?? "" },
    body: (element) => ({
      tensor: dataInputs(write)[2] ?? "",
      frame: {
        ...frame,
        path: `${frame.path}${element.size?.widthPx}x${element.size?.heightPx}/`,
        values: new Map([[`${read.name}:0`, element]]),
      },
    }),
  };
}

/** The reads of arrays that a tensor needs: the graph may have more than one loop. */
function neededReads(
  { body }: Frame,
  tensor: string,
  reads: ReadonlySet<NodeDef>,
): readonly NodeDef[] {
  const waiting = [tensor];
  const seen = new Set<NodeDef>();
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const node = body.nodes.get(tensorPlace(next, body).name);
    if (!node || seen.has(node)) continue;
    seen.add(node);
    if (!reads.has(node)) waiting.push(...dataInputs(node));
  }
  return [...reads].filter((read) => seen.has(read));
}

/** TensorFlow 2: a `While` whose body gets an item of one list and sets one of another. */
function listLoop(node: NodeDef, frame: Frame, index: GraphIndex): MapLoop {
  const { node: loop, output } = origin(frame, dataInputs(node)[0] ?? "");
  if (!loop || !/^(Stateless)?While$/.test(loop.op)) throw notAMap();
  const body = index.function(attributeFunction(loop, "body"));
  const inputs = dataInputs(loop);
  const inside: Frame = {
    body,
    path: `${frame.path}${loop.name}/`,
    depth: frame.depth + 1,
    arguments: new Map(
      body.argumentNames.map((name, at) => [name, { frame, tensor: inputs[at] ?? "" }]),
    ),
    values: new Map(),
  };
  const { node: set } = origin(inside, body.returns[output] ?? "");
  const read = [...body.nodes.values()].find(({ op }) => op === "TensorListGetItem");
  if (set?.op !== "TensorListSetItem" || !read) throw notAMap();
  const list = origin(inside, dataInputs(read)[0] ?? "");
  const given = inside.arguments.get(list.name);
  const { node: made } = given ? origin(frame, given.tensor) : { node: undefined };
  if (made?.op !== "TensorListFromTensor") throw notAMap();
  return {
    source: { frame, tensor: dataInputs(made)[0] ?? "" },
    body: (element) => ({
      tensor: dataInputs(set)[2] ?? "",
      frame: {
        ...inside,
        path: `${inside.path}${element.size?.widthPx}x${element.size?.heightPx}/`,
        values: new Map([[`${read.name}:0`, element]]),
      },
    }),
  };
}
