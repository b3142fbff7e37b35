export type { Dialect, DialectNames, ModelTensorNames, TensorNames } from "@tensorgate/core";
export { dataTypes, dtypeByNumber } from "./data-type.ts";
export { cocoLabels, cocoLabelsByNumber } from "./detectors/coco-labels.ts";
export {
  backgroundClasses,
  boxFormats,
  boxUnits,
  type DetectorField,
  type DetectorFormat,
  type DetectorOptions,
  type DetectorPresetName,
  detectorLayouts,
  detectorOutputs,
  detectorPresetNames,
  scoreActivations,
  suppressionScopes,
} from "./detectors/detector-format.ts";
export {
  type DetectorInput,
  type DetectorPreset,
  detectorFormat,
  detectorPresets,
} from "./detectors/presets.ts";
export {
  aliasNames,
  dialectNames,
  dialects,
  identityNames,
  namesByDialect,
} from "./dialects/tensor-names.ts";
export {
  classifierPreprocessing,
  densenetPreprocessing,
  families,
  ssdPreprocessing,
} from "./families/families.ts";
export {
  type Family,
  type FamilyName,
  type FamilyOutput,
  type FamilyVariant,
  familyNames,
  familyVariants,
} from "./families/family.ts";
export { type FamilyGuess, guessFamily, type ModelClues } from "./families/guess-family.ts";
export { imagenetLabels } from "./families/imagenet-labels.ts";
export { vocLabels } from "./families/voc-labels.ts";
export { modelStatusFromResponse, stateName } from "./model-status.ts";
export {
  InputParsingError,
  predictRequestSegments,
  predictResponseSegments,
  type ReceivedPredictRequest,
  readPredictRequest,
  scoreResponseFromPredictResponse,
} from "./predict.ts";
export { httpStatusFromGrpcCode } from "./rest/http-status.ts";
export { modelMetadataJson, modelStatusJson, restErrorBody } from "./rest/rest-json.ts";
export { ServingError, servingErrors, statusMessage } from "./serving-error.ts";
export {
  modelMetadataFromResponse,
  packedSignatures,
  signatureDefFromSignature,
} from "./signature-def.ts";
export { readTensorProto } from "./tensor-proto-reader.ts";
export { type TensorEncoding, tensorProtoWriter } from "./tensor-proto-writer.ts";
export {
  createTensorBudget,
  type TensorBudget,
  type TensorBudgetOptions,
  TensorParsingError,
  tensorBudgetDefaults,
} from "./tensor-values.ts";
export { chargeMessage, createMessageScan, type MessageScan } from "./wire/charge-message.ts";
export { MalformedMessageError, MessageWriter } from "./wire/message.ts";
