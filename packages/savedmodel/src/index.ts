export type { ExampleFeature } from "./convert/examples.ts";
export {
  type Conversion,
  type ConvertedInput,
  type ConvertedOutput,
  type ConvertedTensor,
  type ConvertOptions,
  convertSavedModel,
} from "./convert-saved-model.ts";
export { inspectSavedModel, type SavedModelInfo } from "./inspect-saved-model.ts";
export { type ConversionLimits, conversionLimitDefaults } from "./limits.ts";
export type { PreparedPicture } from "./preprocessing/picture-loops.ts";
export type { DecodedPicture } from "./preprocessing/picture-planes.ts";
export {
  SavedModelError,
  type SavedModelFault,
  type UnsupportedOperator,
} from "./saved-model-error.ts";
