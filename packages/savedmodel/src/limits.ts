/** What reading and converting one model may cost. */
export interface ConversionLimits {
  /**
   * Largest file of a graph, in bytes. Protocol buffers have no larger messages.
   * @default 2_147_483_647
   */
  readonly maxGraphBytes?: number;
  /**
   * Most elements of the file of a graph: fields, entries of lists and maps, packed values.
   * @default 20_000_000
   */
  readonly maxElements?: number;
  /**
   * Most nodes that are converted, with those of functions once for each call.
   * @default 200_000
   */
  readonly maxNodes?: number;
  /**
   * Deepest nesting of calls of functions.
   * @default 64
   */
  readonly maxDepth?: number;
  /**
   * Most bytes of constants that are computed during the conversion.
   * @default 536_870_912
   */
  readonly maxFoldedBytes?: number;
  /**
   * Largest ONNX model, in bytes. ONNX Runtime reads no larger one from a single file.
   * @default 2_147_483_647
   */
  readonly maxModelBytes?: number;
}

export const conversionLimitDefaults: Readonly<Required<ConversionLimits>> = {
  maxGraphBytes: 2_147_483_647,
  maxElements: 20_000_000,
  maxNodes: 200_000,
  maxDepth: 64,
  maxFoldedBytes: 536_870_912,
  maxModelBytes: 2_147_483_647,
};
