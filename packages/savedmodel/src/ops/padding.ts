import { isNumberDType } from "../convert/numbers.ts";
import {
  numbersInput,
  type OpCall,
  type OpHandler,
  refuse,
  tensorInput,
} from "../convert/op-call.ts";
import { axisIn, orderedFor } from "../convert/tensor-tools.ts";
import type { Shape, TensorValue } from "../convert/value.ts";
import { attributeText } from "../read/attributes.ts";

/** Begin and end of each axis, in TensorFlow's order. */
function paddingsOf(call: OpCall): readonly (readonly [number, number])[] {
  const flat = numbersInput(call, 1, "the paddings");
  return Array.from({ length: flat.length / 2 }, (_, axis) => [
    flat[axis * 2] as number,
    flat[axis * 2 + 1] as number,
  ]);
}

function paddedShape({ shape }: TensorValue, paddings: readonly (readonly [number, number])[]) {
  return shape?.map((extent, axis): number => {
    const [before, after] = paddings[axis] ?? [0, 0];
    return extent < 0 ? -1 : extent + before + after;
  });
}

function pad(call: OpCall, mode: "constant" | "reflect"): TensorValue {
  const value = tensorInput(call, 0);
  const paddings = paddingsOf(call);
  const { dtype, layout } = value;
  const { graph, nameIn, made, plain, folded } = call.tools;
  const ordered = orderedFor(layout, paddings);
  const pads = [...ordered.map(([before]) => before), ...ordered.map(([, after]) => after)];
  const inputs = [nameIn(value, layout), graph.integers(pads)];
  if (mode === "constant" && call.node.op === "PadV2") inputs.push(plain(tensorInput(call, 2)));
  else if (mode === "constant" && dtype !== "FP32") {
    inputs.push(isNumberDType(dtype) ? plain(folded(dtype, [], [0])) : refuse(`of ${dtype}`));
  }
  const name = graph.op("Pad", inputs, { mode: { text: mode } });
  return made(name, { dtype, shape: paddedShape(value, paddings), layout });
}

/** ONNX has no mirror that repeats the edge: what is mirrored is sliced, backwards, and joined. */
function padSymmetric(call: OpCall): TensorValue {
  const value = tensorInput(call, 0);
  const paddings = paddingsOf(call);
  const { graph, nameIn, made } = call.tools;
  const { dtype, layout } = value;
  let name = nameIn(value, layout);
  for (const [index, [before, after]] of paddings.entries()) {
    const axis = axisIn(layout, index);
    const backwards = (start: number, end: number) =>
      graph.op("Slice", [
        name,
        graph.integers([start]),
        graph.integers([end]),
        graph.integers([axis]),
        graph.integers([-1]),
      ]);
    const all = [
      ...(before > 0 ? [backwards(before - 1, beforeAll)] : []),
      name,
      ...(after > 0 ? [backwards(-1, -after - 1)] : []),
    ];
    if (all.length > 1) name = graph.op("Concat", all, { axis });
  }
  return made(name, {
    dtype,
    shape: paddedShape(value, paddings) satisfies Shape | undefined,
    layout,
  });
}

/** An end before the first element. */
const beforeAll = -(2 ** 31 - 1);

function mirrorPad(call: OpCall): TensorValue {
  return attributeText(call.node, "mode") === "SYMMETRIC"
    ? padSymmetric(call)
    : pad(call, "reflect");
}

export const paddingOps: readonly (readonly [string, OpHandler])[] = [
  ["Pad", (call) => pad(call, "constant")],
  ["PadV2", (call) => pad(call, "constant")],
  ["MirrorPad", mirrorPad],
];
