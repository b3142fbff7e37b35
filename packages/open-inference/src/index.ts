export { classified } from "./classification.ts";
export { type Datatype, isDatatype } from "./datatype.ts";
export {
  assertUnique,
  type InferRequest,
  type RequestedOutput,
  requestedOutput,
  requestSettings,
} from "./infer.ts";
export {
  type InferRequestHead,
  inferRequestHead,
  type ReceivedInferRequest,
  readInferMessage,
} from "./infer-message.ts";
export { type InferRequestMessage, inferRequestSegments } from "./infer-request-message.ts";
export {
  type InferResponseMessage,
  inferResponseSegments,
  streamErrorSegments,
  streamResponseSegments,
} from "./infer-response-message.ts";
export { readParameter, writeParameters } from "./parameter-message.ts";
export { type ReceivedInferResponse, readInferResponse } from "./read-infer-response.ts";
export { readInferBody, readJsonLength } from "./rest/infer-request.ts";
export {
  type InferResponse,
  type ResponseOutput,
  type WrittenResponse,
  writeInferResponse,
} from "./rest/infer-response.ts";
export { arrayAt, objectAt, textAt } from "./rest/json-object.ts";
export { type RawInput, rawInferRequest } from "./rest/raw-request.ts";
export { type TensorHead, tensorFromBytes, tensorHead, tensorSegments } from "./tensor-bytes.ts";
