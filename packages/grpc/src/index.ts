export { grpcCode, grpcCodeFromHttpStatus, grpcCodeName, knownGrpcCode } from "./code.ts";
export {
  compressedFlag,
  framedMessage,
  type MessagePrefix,
  messageBytes,
  messagePrefix,
  prefixBytes,
  readPrefix,
} from "./framing.ts";
export {
  decodeMessage,
  encodeBinary,
  encodeMessage,
  type GrpcStatus,
  type HeaderBlock,
  type ReceivedStatus,
  readDetails,
  readStatus,
  statusFields,
} from "./status.ts";
export { formatTimeout, parseTimeout } from "./timeout.ts";
export { createUnaryReader, FramingError, type UnaryReader } from "./unary-reader.ts";
