import { type Client, createClient } from "@connectrpc/connect";
import { RegistryService } from "@tensorgate/proto/tensorgate/registry/v1/registry";
import { openGrpcTransport } from "./transport.ts";
import { errorFromTransport } from "./transport-error.ts";

// The messages and the service, for programs that bring their own transport.
export * from "@tensorgate/proto/tensorgate/registry/v1/registry";

/** The registry of a gateway or a model server. Every method throws a `ScoringError`. */
export interface RegistryClient extends Client<typeof RegistryService>, Disposable {
  /** Closes the connection. */
  close(): void;
}

export interface RegistryClientOptions {
  /**
   * URL of the admin port, which is reached from the same machine only.
   * @default "http://127.0.0.1:9090"
   */
  readonly adminUrl?: string;
}

/** Creates a client of the registry on an admin port, by gRPC. Nothing is retried: most calls change something. */
export function createRegistryClient({
  adminUrl = "http://127.0.0.1:9090",
}: RegistryClientOptions = {}): RegistryClient {
  const { transport, close } = openGrpcTransport(adminUrl);
  const client = createClient(RegistryService, transport);
  const entries = Object.entries(client).map(([name, method]) => [name, explained(method)]);
  const methods = Object.fromEntries(entries) as Client<typeof RegistryService>;
  return { ...methods, close, [Symbol.dispose]: close };
}

/** All methods of the service are unary. */
type Method = (...args: readonly never[]) => Promise<unknown>;

function explained(method: Method): Method {
  return async (...args) => {
    try {
      return await method(...args);
    } catch (thrown) {
      throw errorFromTransport(thrown);
    }
  };
}
