import {
  Metadata,
  type MethodDefinition,
  type Server,
  type ServerUnaryCall,
  type ServiceError,
  type sendUnaryData,
} from "@grpc/grpc-js";
import {
  grpcCode,
  MalformedMessageError,
  ServingError,
  statusMessage,
} from "@tensorgate/tf-serving";

/** Bytes in, bytes out: messages are read and written by the methods themselves. */
export type Method = (message: Buffer, isAbandoned: () => boolean) => Promise<Buffer> | Buffer;

/** Registers one method, under its full path. */
export function addUnary(server: Server, path: string, method: Method): void {
  const definition: MethodDefinition<Buffer, Buffer> = {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: (bytes) => bytes,
    requestDeserialize: (bytes) => bytes,
    responseSerialize: (bytes) => bytes,
    responseDeserialize: (bytes) => bytes,
  };
  const handler = (call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>): void => {
    const answer = async () => method(call.request, () => call.cancelled);
    answer().then(
      (bytes) => reply(null, bytes),
      (thrown: unknown) => reply(serviceError(thrown)),
    );
  };
  server.addService({ [path]: definition }, { [path]: handler });
}

/** What is not a text of TensorFlow Serving's is either not a message, or our own fault. */
function serviceError(thrown: unknown): Partial<ServiceError> {
  const metadata = new Metadata();
  if (thrown instanceof ServingError) {
    return { code: thrown.grpcCode, details: statusMessage(thrown.message), metadata };
  }
  if (thrown instanceof MalformedMessageError) {
    const details = `the request could not be read: ${thrown.message}`;
    return { code: grpcCode.INVALID_ARGUMENT, details, metadata };
  }
  return { code: grpcCode.INTERNAL, details: "internal error", metadata };
}
