import type { OpHandler } from "../convert/op-call.ts";
import { convolutionOps } from "./convolution.ts";
import { elementwiseOps } from "./elementwise.ts";
import { joinOps } from "./joins.ts";
import { matrixOps } from "./matrices.ts";
import { normalizationOps } from "./normalization.ts";
import { paddingOps } from "./padding.ts";
import { poolingOps } from "./pooling.ts";
import { reductionOps } from "./reductions.ts";
import { refusedOps } from "./refusals.ts";
import { shapeOps } from "./shapes.ts";
import { sliceOps } from "./slices.ts";
import { unaryOps } from "./unary.ts";

/** Every operator of TensorFlow that has a conversion, or a reason for having none. Calls, conditions, loops, constants and variables are not here. */
export const opTable: ReadonlyMap<string, OpHandler> = new Map([
  ...convolutionOps,
  ...elementwiseOps,
  ...joinOps,
  ...matrixOps,
  ...normalizationOps,
  ...paddingOps,
  ...poolingOps,
  ...reductionOps,
  ...refusedOps,
  ...shapeOps,
  ...sliceOps,
  ...unaryOps,
]);
