import {
  create,
  createFileRegistry,
  type DescMethodBiDiStreaming,
  type DescMethodUnary,
  type DescService,
} from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import type { ConnectRouter } from "@connectrpc/connect";

/** The same methods in both codecs. */
export interface CodecRouters {
  /** For messages in the wire format, which the library passes on as they are. */
  readonly binary: ConnectRouter;
  /** For messages in JSON. */
  readonly json: ConnectRouter;
}

/** Name of the only message of an opaque service. */
const opaqueMessage = "OpaqueMessage";

/**
 * The same service with a message that has no fields: the library keeps unknown fields and writes them as they came, so
 * that tensors are never decoded by it.
 *
 * @param unary - names of the methods with one message each way
 * @param streams - names of those with any number each way
 */
export function opaqueService(
  fullName: string,
  unary: readonly string[],
  streams: readonly string[] = [],
): DescService {
  const dot = fullName.lastIndexOf(".");
  const packageName = fullName.slice(0, dot);
  const typeName = `.${packageName}.${opaqueMessage}`;
  const method = (name: string, isStream: boolean) => ({
    name,
    inputType: typeName,
    outputType: typeName,
    clientStreaming: isStream,
    serverStreaming: isStream,
  });
  const file = create(FileDescriptorProtoSchema, {
    name: `${packageName}/opaque.proto`,
    package: packageName,
    syntax: "proto3",
    messageType: [{ name: opaqueMessage }],
    service: [
      {
        name: fullName.slice(dot + 1),
        method: [
          ...unary.map((name) => method(name, false)),
          ...streams.map((name) => method(name, true)),
        ],
      },
    ],
  });
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [file] }));
  const service = registry.getService(fullName);
  if (!service) throw new RangeError("the opaque service was not made");
  return service;
}

/** @throws RangeError if the service has no such method */
export function unaryMethod(service: DescService, name: string): DescMethodUnary {
  const found = service.methods.find((method) => method.name === name);
  if (found?.methodKind !== "unary") throw new RangeError(`there is no unary method ${name}`);
  return found as DescMethodUnary;
}

/** @throws RangeError if the service has no such method */
export function streamMethod(service: DescService, name: string): DescMethodBiDiStreaming {
  const found = service.methods.find((method) => method.name === name);
  if (found?.methodKind !== "bidi_streaming") throw new RangeError(`there is no stream ${name}`);
  return found as DescMethodBiDiStreaming;
}
