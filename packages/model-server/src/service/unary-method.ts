import {
  Metadata,
  type MethodDefinition,
  type Server,
  type ServerUnaryCall,
  type ServiceError,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { TooLargeError, type Weights } from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import {
  MalformedMessageError,
  ServingError,
  statusMessage,
  versionLabelsHeader,
  versionLabelsText,
} from "@tensorgate/tf-serving";

/** Bytes in, bytes out: messages are read and written by the methods themselves. */
export type Method = (
  message: Buffer,
  isAbandoned: () => boolean,
  /** Address and port that the call came from. */
  peer: string,
) => Promise<Buffer> | Buffer;

/** Response headers for a message, also of errors. */
export type HeadersFor = (message: Buffer) => Readonly<Record<string, string>>;

/** A method with its full path. */
export interface UnaryMethod {
  readonly path: string;
  readonly method: Method;
  readonly headersFor?: HeadersFor;
}

/** Returns the header that marks responses of a model with seeded weights, which mean nothing. */
export function weightsHeader(weights: Weights | undefined): Readonly<Record<string, string>> {
  return weights === "seeded" ? { "x-tensorgate-weights": weights } : {};
}

/** Registers one method. */
export function addUnary(
  server: Server,
  { path, method, headersFor = () => ({}) }: UnaryMethod,
): void {
  const definition: MethodDefinition<Buffer, Buffer> = {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: (bytes) => bytes,
    requestDeserialize: (bytes) => bytes,
    responseSerialize: (bytes) => bytes,
    responseDeserialize: (bytes) => bytes,
  };
  const metadataFor = (message: Buffer) => {
    try {
      return metadataFrom(headersFor(message));
    } catch {
      // A message that cannot be read names no model.
      return new Metadata();
    }
  };
  const handler = (call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>): void => {
    // Read before the call: the model may be replaced meanwhile.
    const metadata = metadataFor(call.request);
    const answer = async () => method(call.request, () => call.cancelled, call.getPeer());
    answer().then(
      (bytes) => {
        call.sendMetadata(metadata);
        reply(null, bytes);
      },
      (thrown: unknown) => {
        const { knownLabels = [] } = thrown instanceof ServingError ? thrown : {};
        if (knownLabels.length > 0)
          metadata.set(versionLabelsHeader, versionLabelsText(knownLabels));
        reply({ ...serviceError(thrown), metadata });
      },
    );
  };
  server.addService({ [path]: definition }, { [path]: handler });
}

function metadataFrom(headers: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return metadata;
}

/** Any other error is either a malformed message, or internal. */
function serviceError(thrown: unknown): Partial<ServiceError> {
  if (thrown instanceof ServingError) {
    return { code: thrown.grpcCode, details: statusMessage(thrown.message) };
  }
  if (thrown instanceof MalformedMessageError || thrown instanceof TooLargeError) {
    const details = `the request could not be read: ${thrown.message}`;
    return { code: grpcCode.INVALID_ARGUMENT, details };
  }
  return { code: grpcCode.INTERNAL, details: "internal error" };
}
