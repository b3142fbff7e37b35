export type {
  Dialect,
  DialectNames,
  ModelTensorNames,
  ServingDialect,
  TensorNames,
} from "@tensorgate/core";
export { joined, MalformedMessageError, MessageWriter } from "@tensorgate/core";
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
  type PartialDetectorFormat,
  scoreActivations,
  suppressionScopes,
} from "./detectors/detector-format.ts";
export type { DeclaredTensor, DetectorClues, DetectorGuess } from "./detectors/detector-guess.ts";
export { guessDetector } from "./detectors/guess-detector.ts";
export {
  type DeclaredPixels,
  type DetectorResize,
  declaredPixels,
  detectorResize,
} from "./detectors/pixel-input.ts";
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
  servingDialects,
  underServingNames,
} from "./dialects/tensor-names.ts";
export { answeringModelOf, askedModelOf, withModelSpec } from "./encoded-call.ts";
export {
  readExampleRequest,
  readMultiInferenceRequest,
} from "./examples/example-request.ts";
export { type FixedFeature, parseExamples } from "./examples/parse-examples.ts";
export { serializedExamples } from "./examples/serialized-examples.ts";
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
export { classificationResult, regressionResult } from "./inference/example-results.ts";
export {
  type ExampleMethod,
  exampleInputs,
  exampleMethods,
  exampleOutputs,
  exampleSignature,
} from "./inference/example-signature.ts";
export { type Metric, prometheusText } from "./metrics/prometheus-text.ts";
export { modelStatusFromResponse, modelStatusResponse, stateName } from "./model-status.ts";
export {
  InputParsingError,
  predictRequestSegments,
  predictResponseSegments,
  type ReceivedPredictRequest,
  readPredictRequest,
} from "./predict.ts";
export { createPredictFramer, type FramePredict } from "./predict-frames.ts";
export {
  canonicalName,
  createPredictReplyReader,
  type ReadPredictReply,
  scoreResponseFromPredictResponse,
} from "./predict-reply.ts";
export { readExampleBody } from "./rest/example-body.ts";
export { httpStatusFromGrpcCode } from "./rest/http-status.ts";
export { classificationAnswerJson, regressionAnswerJson } from "./rest/inference-answer.ts";
export { type JsonBody, readJsonBody } from "./rest/json-body.ts";
export { type ModelPath, modelSpecFromPath, readModelPath } from "./rest/model-path.ts";
export { predictAnswerJson } from "./rest/predict-answer.ts";
export { type PredictBody, readPredictBody } from "./rest/predict-body.ts";
export { modelMetadataJson, modelStatusJson, restErrorBody } from "./rest/rest-json.ts";
export { invalidArgument, ServingError, servingErrors, statusMessage } from "./serving-error.ts";
export {
  inputTypeNames,
  manifestField,
  modelMetadataFromResponse,
  modelMetadataResponse,
  modelSpecFromMessage,
  modelSpecMessage,
  packedSignatures,
  signatureDefFromSignature,
  signatureFromDef,
} from "./signature-def.ts";
export {
  createTensorBudget,
  readTensorProto,
  type TensorBudget,
  type TensorBudgetOptions,
  type TensorEncoding,
  tensorBudgetDefaults,
  tensorProtoWriter,
} from "./tensor-proto.ts";
export { TensorParsingError } from "./tensor-values.ts";
export { messageFromText } from "./text-format/message-from-text.ts";
export { TextFormatError } from "./text-format/text-tokens.ts";
export { versionLabelsFrom, versionLabelsHeader, versionLabelsText } from "./version-labels.ts";
export {
  type ChargeMessage,
  chargeMessage,
  createMessageCharge,
  createMessageScan,
  type MessageScan,
} from "./wire/charge-message.ts";
