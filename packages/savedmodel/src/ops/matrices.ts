import { permuted } from "../convert/numbers.ts";
import { type OpCall, type OpHandler, rankOf, tensorInput } from "../convert/op-call.ts";
import type { Shape, TensorValue } from "../convert/value.ts";
import { attributeFlag } from "../read/attributes.ts";

/** A matrix, or a batch of them, with its last two axes exchanged where the node says so. */
function operand(call: OpCall, index: number, isTransposed: boolean) {
  const value = tensorInput(call, index);
  const { graph, plain } = call.tools;
  if (!isTransposed) return { name: plain(value), shape: value.shape };
  const rank = rankOf(value);
  const order = Array.from({ length: rank }, (_, axis) => axis);
  order.splice(rank - 2, 2, rank - 1, rank - 2);
  const shape = order.map((axis) => value.shape?.[axis] as number);
  const { constant } = value;
  const name =
    constant && "data" in constant
      ? graph.constant(permuted(constant, order))
      : graph.op("Transpose", [plain(value)], { perm: order });
  return { name, shape };
}

function product(transposeA: string, transposeB: string): OpHandler {
  return (call): TensorValue => {
    const a = operand(call, 0, attributeFlag(call.node, transposeA));
    const b = operand(call, 1, attributeFlag(call.node, transposeB));
    const name = call.tools.graph.op("MatMul", [a.name, b.name]);
    const { dtype } = tensorInput(call, 0);
    return call.tools.made(name, { dtype, shape: productShape(a.shape, b.shape) });
  };
}

function productShape(a: Shape | undefined, b: Shape | undefined): Shape | undefined {
  if (!a || !b || a.length < 2 || b.length < 2) return undefined;
  const batches = a.length >= b.length ? a.slice(0, -2) : b.slice(0, -2);
  const isOpen = a.length > 2 && b.length > 2 && String(a.slice(0, -2)) !== String(b.slice(0, -2));
  return [...(isOpen ? batches.map(() => -1) : batches), a.at(-2) as number, b.at(-1) as number];
}

export const matrixOps: readonly (readonly [string, OpHandler])[] = [
  ["MatMul", product("transpose_a", "transpose_b")],
  ["BatchMatMul", product("adj_x", "adj_y")],
  ["BatchMatMulV2", product("adj_x", "adj_y")],
  ["BatchMatMulV3", product("adj_x", "adj_y")],
];
