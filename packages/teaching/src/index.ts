export { type Example, maxClasses, maxExamples } from "./feature-rows.ts";
export {
  type Backbone,
  compareBackbone,
  type Head,
  headLogits,
  headText,
  maxHeadChars,
  parseHead,
} from "./head.ts";
export type { Accuracy } from "./measures.ts";
export { type MergedModel, mergedOnnx } from "./merge-onnx.ts";
export { referencePicture } from "./reference-picture.ts";
export { type Taught, type TaughtHead, type TeachOptions, teach, teachDefaults } from "./teach.ts";
export type { DuplicatePair, HardPicture, TeachingReport } from "./teaching-report.ts";
