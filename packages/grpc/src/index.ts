export { grpcCode, grpcCodeFromHttpStatus, grpcCodeName, knownGrpcCode } from "./code.ts";
export {
  decodeMessage,
  encodeBinary,
  encodeMessage,
  formatTimeout,
  type GrpcStatus,
  type HeaderBlock,
  parseTimeout,
  type ReceivedStatus,
  readDetails,
  readStatus,
  statusFields,
} from "./fields.ts";
export {
  compressedFlag,
  createUnaryReader,
  FramingError,
  framedPieces,
  type MessagePrefix,
  messageBytes,
  messagePrefix,
  prefixBytes,
  readPrefix,
  type UnaryReader,
} from "./framing.ts";
