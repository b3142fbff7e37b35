import {
  create,
  type DescMessage,
  type DescService,
  type FileRegistry,
  type Message,
} from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import {
  ConnectError,
  type ConnectRouter,
  type ConnectRouterOptions,
  createConnectRouter,
  type HandlerContext,
} from "@connectrpc/connect";

/** A header or trailer with its values. */
interface Field {
  readonly name: string;
  readonly value: readonly string[];
}

interface GivenError {
  readonly code: number;
  readonly message?: string;
  readonly details: readonly Any[];
}

/** What a request asks to be answered, once or as a stream. */
interface Definition {
  readonly responseHeaders: readonly Field[];
  readonly responseTrailers: readonly Field[];
  readonly responseDelayMs: number;
  readonly response?: { readonly case?: string; readonly value?: unknown };
  readonly responseData?: readonly Uint8Array[];
  readonly error?: GivenError;
}

type Asked = Message & {
  readonly responseDefinition?: Definition;
  readonly fullDuplex?: boolean;
};

/**
 * The service that Connect's conformance suite calls, from its own descriptors: each request says what it wants to be
 * answered, and each answer says what has come.
 */
export function conformanceRouter(
  registry: FileRegistry,
): (options: ConnectRouterOptions) => ConnectRouter {
  const prefix = "connectrpc.conformance.v1";
  const messageNamed = (name: string): DescMessage => {
    const found = registry.getMessage(`${prefix}.${name}`);
    if (!found) throw new Error(`no message ${name}`);
    return found;
  };
  const service = registry.getService(`${prefix}.ConformanceService`) as DescService;
  const info = messageNamed("ConformancePayload.RequestInfo");
  const schemaOf = (request: Message) => registry.getMessage(request.$typeName) as DescMessage;

  function requestInfo(requests: readonly Message[], context: HandlerContext): Message {
    const timeoutMs = context.timeoutMs();
    const fields = new Map<string, string[]>();
    for (const [name, value] of context.requestHeader) {
      fields.set(name, [...(fields.get(name) ?? []), ...value.split(", ")]);
    }
    return create(info, {
      requestHeaders: [...fields].map(([name, value]) => ({ name, value })),
      ...(timeoutMs !== undefined && { timeoutMs: BigInt(Math.max(0, Math.round(timeoutMs))) }),
      requests: requests.map((request) => anyPack(schemaOf(request), request)),
    } as never);
  }

  function errorOf({ code, message = "", details }: GivenError, more?: Message): ConnectError {
    const error = new ConnectError(message, code);
    const all = more ? [...details, anyPack(info, more)] : details;
    error.details = all.map(({ typeUrl, value }) => ({
      type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
      value,
    }));
    return error;
  }

  function setFields(to: Headers, fields: readonly Field[] = []): void {
    for (const { name, value } of fields) for (const each of value) to.append(name, each);
  }

  async function begin(definition: Definition | undefined, context: HandlerContext) {
    setFields(context.responseHeader, definition?.responseHeaders);
    setFields(context.responseTrailer, definition?.responseTrailers);
  }

  async function answered(requests: readonly Asked[], context: HandlerContext) {
    const definition = requests[0]?.responseDefinition;
    const requestInfoOf = requestInfo(requests, context);
    await begin(definition, context);
    await pause(definition?.responseDelayMs);
    const { response } = definition ?? {};
    if (response?.case === "error") throw errorOf(response.value as GivenError, requestInfoOf);
    const data = response?.case === "responseData" ? (response.value as Uint8Array) : undefined;
    return { payload: { requestInfo: requestInfoOf, ...(data && { data }) } };
  }

  /** Sends what is defined, with what has come in the first of it. */
  async function* streamed(requests: readonly Asked[], context: HandlerContext) {
    const definition = requests[0]?.responseDefinition;
    await begin(definition, context);
    const come = requestInfo(requests, context);
    let sent = 0;
    for (const data of definition?.responseData ?? []) {
      await pause(definition?.responseDelayMs);
      yield { payload: { data, ...(sent === 0 && { requestInfo: come }) } };
      sent += 1;
    }
    if (definition?.error) throw errorOf(definition.error, sent === 0 ? come : undefined);
  }

  async function* bidi(requests: AsyncIterable<Asked>, context: HandlerContext) {
    const come: Asked[] = [];
    let definition: Definition | undefined;
    let sent = 0;
    for await (const request of requests) {
      come.push(request);
      if (come.length === 1) {
        definition = request.responseDefinition;
        await begin(definition, context);
      }
      if (!come[0]?.fullDuplex) continue;
      const data = definition?.responseData?.[sent];
      // The caller waits for one answer to each request, and then for the end.
      if (data === undefined) break;
      await pause(definition?.responseDelayMs);
      yield { payload: { data, requestInfo: requestInfo(sent === 0 ? come : [request], context) } };
      sent += 1;
    }
    const rest = definition?.responseData?.slice(sent) ?? [];
    for (const data of rest) {
      await pause(definition?.responseDelayMs);
      const isFirst = sent === 0;
      yield { payload: { data, ...(isFirst && { requestInfo: requestInfo(come, context) }) } };
      sent += 1;
    }
    if (definition?.error) {
      throw errorOf(definition.error, sent === 0 ? requestInfo(come, context) : undefined);
    }
  }

  const handlers = {
    unary: (request: Asked, context: HandlerContext) => answered([request], context),
    idempotentUnary: (request: Asked, context: HandlerContext) => answered([request], context),
    serverStream: (request: Asked, context: HandlerContext) => streamed([request], context),
    clientStream: async (requests: AsyncIterable<Asked>, context: HandlerContext) => {
      const come: Asked[] = [];
      for await (const request of requests) come.push(request);
      return await answered(come, context);
    },
    bidiStream: bidi,
  };
  return (options) =>
    createConnectRouter({ ...options, jsonOptions: { registry } }).service(
      service,
      handlers as never,
    );
}

/** The suite asks for answers after a while. */
function pause(delayMs = 0): Promise<void> | undefined {
  return delayMs > 0 ? new Promise((resolve) => setTimeout(resolve, delayMs)) : undefined;
}
