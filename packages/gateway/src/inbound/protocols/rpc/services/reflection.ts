import { type DescFile, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { grpcCode } from "@tensorgate/grpc";
import {
  ServerReflection,
  type ServerReflectionRequest,
} from "@tensorgate/proto/grpc/reflection/v1/reflection";
import { ServerReflection as ServerReflectionAlpha } from "@tensorgate/proto/grpc/reflection/v1alpha/reflection";
import { heldMessage } from "../connect/call.ts";

/** Questions on one stream: a tool asks a few dozen, and each answer is hundreds of times as long as its query. */
const maxQuestions = 256;

/** gRPC server reflection, in its final form and in the older one that some tools still use. */
export function addReflectionRoutes(router: ConnectRouter, files: readonly DescFile[]): void {
  const answer = reflector(files);
  async function* serverReflectionInfo(
    requests: AsyncIterable<ServerReflectionRequest>,
    context: HandlerContext,
  ) {
    let count = 0;
    for await (const request of requests) {
      using _message = heldMessage(context);
      count += 1;
      if (count > maxQuestions) {
        throw new ConnectError(
          `more than ${maxQuestions} requests on one stream`,
          Code.ResourceExhausted,
        );
      }
      yield {
        validHost: request.host,
        originalRequest: { host: request.host, messageRequest: request.messageRequest },
        messageResponse: answer(request.messageRequest),
      };
    }
  }
  router.service(ServerReflection, { serverReflectionInfo });
  // The two differ in nothing but the package.
  router.service(ServerReflectionAlpha, {
    serverReflectionInfo: serverReflectionInfo as never,
  });
}

type Query = ServerReflectionRequest["messageRequest"];

function reflector(files: readonly DescFile[]) {
  const byName = new Map<string, DescFile>();
  const add = (file: DescFile): void => {
    if (byName.has(file.proto.name)) return;
    byName.set(file.proto.name, file);
    file.dependencies.forEach(add);
  };
  files.forEach(add);

  const bySymbol = new Map<string, DescFile>();
  for (const file of byName.values()) {
    for (const symbol of symbolsOf(file)) bySymbol.set(symbol, file);
  }
  const services = files.flatMap((file) =>
    file.services.map(({ typeName }) => ({ name: typeName })),
  );

  return (query: Query) => {
    switch (query.case) {
      case "listServices":
        return { case: "listServicesResponse" as const, value: { service: services } };
      case "fileByFilename":
        return fileOrNotFound(byName.get(query.value), query.value);
      case "fileContainingSymbol":
        return fileOrNotFound(bySymbol.get(query.value), query.value);
      default:
        return notFound(grpcCode.UNIMPLEMENTED, "extensions are not supported");
    }
  };
}

/** Returns a file with all that it imports, so that a tool needs one request. */
function fileOrNotFound(file: DescFile | undefined, asked: string) {
  if (!file) return notFound(grpcCode.NOT_FOUND, `unknown file or symbol "${asked.slice(0, 200)}"`);
  const withImports = new Set<DescFile>();
  const add = (each: DescFile): void => {
    if (withImports.has(each)) return;
    withImports.add(each);
    each.dependencies.forEach(add);
  };
  add(file);
  const fileDescriptorProto = [...withImports].map((each) =>
    toBinary(FileDescriptorProtoSchema, each.proto),
  );
  return { case: "fileDescriptorResponse" as const, value: { fileDescriptorProto } };
}

function notFound(errorCode: number, errorMessage: string) {
  return { case: "errorResponse" as const, value: { errorCode, errorMessage } };
}

function symbolsOf(file: DescFile): readonly string[] {
  return [
    ...file.services.flatMap((service) => [
      service.typeName,
      ...service.methods.map(({ name }) => `${service.typeName}.${name}`),
    ]),
    ...file.messages.map(({ typeName }) => typeName),
    ...file.enums.map(({ typeName }) => typeName),
  ];
}
