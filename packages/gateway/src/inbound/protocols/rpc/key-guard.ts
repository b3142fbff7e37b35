import type { ContextValues, Interceptor } from "@connectrpc/connect";
import { type Caller, ScoringError } from "@tensorgate/core";
import { requestIdFrom } from "../call-context.ts";
import { connectErrorFrom } from "./errors.ts";
import { startKey } from "./rpc-call.ts";

/**
 * Ends a stream with `unauthenticated` once its key is not valid any more: no message leaves for a key that a reload
 * has removed, whatever the method.
 */
export const keyGuard: Interceptor = (next) => async (request) => {
  const response = await next(request);
  if (!response.stream) return response;
  const message = guarded(response.message, () =>
    currentCaller(request.contextValues, request.header),
  );
  return { ...response, message };
};

async function* guarded<Message>(
  messages: AsyncIterable<Message>,
  check: () => unknown,
): AsyncIterable<Message> {
  for await (const message of messages) {
    check();
    yield message;
  }
}

/**
 * Authenticates the caller of a stream by the keys that are in force now.
 *
 * @returns undefined where no keys are asked for
 * @throws ConnectError if the key is not valid any more
 */
export function currentCaller(values: ContextValues, header: Headers): Caller | undefined {
  try {
    return values.get(startKey)?.caller();
  } catch (thrown) {
    const requestId = requestIdFrom((name) => header.get(name) ?? undefined);
    throw connectErrorFrom(ScoringError.from(thrown), requestId);
  }
}
