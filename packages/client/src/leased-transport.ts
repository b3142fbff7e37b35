import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { createConnectionLeases } from "./connection-leases.ts";

/** A transport with the connections that it keeps open. */
export interface OpenTransport {
  readonly transport: Transport;
  /** Closes the connections. */
  close(): void;
}

/** Creates a transport that opens another one when a call on it was given up without a response. */
export function createLeasedTransport(open: () => OpenTransport): OpenTransport {
  const leases = createConnectionLeases(open);

  function beginCall(signal: AbortSignal | undefined) {
    const { connection, retire, release } = leases.acquire();
    // Retired before the call rejects, since its next attempt must use another connection.
    signal?.addEventListener("abort", retire, { once: true });
    return {
      transport: connection.transport,
      onFailure: (thrown: unknown) => {
        if (isUnanswered(thrown)) retire();
      },
      end: () => {
        signal?.removeEventListener("abort", retire);
        release();
      },
    };
  }
  type BegunCall = ReturnType<typeof beginCall>;

  async function* untilEnd<Message>(messages: AsyncIterable<Message>, call: BegunCall) {
    try {
      yield* messages;
    } catch (thrown) {
      call.onFailure(thrown);
      throw thrown;
    } finally {
      call.end();
    }
  }

  return {
    transport: {
      unary: async (method, signal, ...rest) => {
        const call = beginCall(signal);
        try {
          return await call.transport.unary(method, signal, ...rest);
        } catch (thrown) {
          call.onFailure(thrown);
          throw thrown;
        } finally {
          call.end();
        }
      },
      stream: async (method, signal, ...rest) => {
        const call = beginCall(signal);
        try {
          const response = await call.transport.stream(method, signal, ...rest);
          return { ...response, message: untilEnd(response.message, call) };
        } catch (thrown) {
          call.onFailure(thrown);
          call.end();
          throw thrown;
        }
      },
    },
    close: () => leases.close(),
  };
}

/** Returns whether the library's timer ended a call: a server's DEADLINE_EXCEEDED comes with headers. */
function isUnanswered(thrown: unknown): boolean {
  const { code, metadata } = ConnectError.from(thrown);
  return code === Code.DeadlineExceeded && [...metadata.keys()].length === 0;
}
