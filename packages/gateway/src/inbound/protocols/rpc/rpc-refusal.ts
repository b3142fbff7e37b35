import type { ConnectError } from "@connectrpc/connect";
import {
  endStreamFlag,
  endStreamToJson,
  errorToJsonBytes,
} from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { messagePrefix } from "@tensorgate/grpc";
import type { Reply } from "../../server/exchange.ts";

/**
 * An error in the form of the RPC protocol that `contentType` names, for a call whose message is never read.
 *
 * @param httpStatus - used by Connect's unary calls alone; the others carry their status inside a 200
 */
export function rpcRefusal(contentType: string, error: ConnectError, httpStatus: number): Reply {
  const headers = Object.fromEntries(error.metadata);
  if (contentType.startsWith("application/grpc")) {
    // Without a message the trailers go as headers ("trailers-only").
    const status = Object.fromEntries(setTrailerStatus(new Headers(headers), error));
    return { status: 200, headers: { ...status, "content-type": contentType }, body: "" };
  }
  if (contentType.startsWith("application/connect+")) {
    const json = Buffer.from(JSON.stringify(endStreamToJson(new Headers(), error, undefined)));
    const body = Buffer.concat([messagePrefix(json.length, endStreamFlag), json]);
    return { status: 200, headers: { ...headers, "content-type": contentType }, body };
  }
  return {
    status: httpStatus,
    headers: { ...headers, "content-type": "application/json" },
    body: errorToJsonBytes(error, undefined),
  };
}
