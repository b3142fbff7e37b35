import type { IncomingMessage, ServerResponse } from "node:http";
import { createWorkBudget, parseJsonBody } from "@tensorgate/core";
import {
  type Devices,
  SwapRefusedError,
  type SwapReport,
  swapRequestFromJson,
} from "@tensorgate/gateway";
import { type AdminCall, type AdminRoute, sendJson } from "../telemetry/admin-server.ts";

/** Longest request, in bytes; most of it is the golden picture in base64. */
const maxBytes = 16_777_216;
/** Maximum number of chunks of a request: each has a cost, however small. */
const maxPieces = 8_192;
/** Maximum number of values and keys in a request: enough for a thousand replicas. */
const maxElements = 8_192;
/** Interval of keep-alive lines while a device reports nothing, in milliseconds. */
const keepAliveMs = 15_000;

const statusOf = { invalid: 400, unknown: 404, busy: 409, floor: 409, unreachable: 503 } as const;

/**
 * Returns the device routes of the admin port. A swap takes minutes, so one request starts it and others follow it: a lost
 * connection does not end it.
 *
 * @param log - called with every step of a swap
 */
export function deviceRoutes(devices: Devices, log: (text: string) => void): readonly AdminRoute[] {
  const route = (
    method: AdminRoute["method"],
    path: string,
    handle: (call: AdminCall) => void | Promise<void>,
  ): AdminRoute => ({ method, path, isLocal: true, handle: explained(handle) });

  return [
    route("GET", "/devices", async ({ response }) =>
      sendJson(response, 200, { devices: await devices.list() }),
    ),
    route("POST", "/devices/swap", async ({ request, response }) => {
      const swapRequest = swapRequestFromJson(await jsonBody(request));
      const { id } = await devices.swap(swapRequest, ({ swapId, text }) =>
        log(`swap ${swapId}: ${text}`),
      );
      response.setHeader("location", `/devices/swaps/${id}`);
      sendJson(response, 202, { id });
    }),
    route("GET", "/devices/swaps", ({ response }) =>
      sendJson(response, 200, { swaps: devices.swaps() }),
    ),
    route("GET", "/devices/swaps/:id", ({ response, segments: [id = ""] }) =>
      sendJson(response, 200, reportOf(devices, id)),
    ),
    route("GET", "/devices/swaps/:id/progress", ({ response, segments: [id = ""] }) =>
      sendProgress(response, devices.follow(id)),
    ),
    route("POST", "/devices/swaps/:id/abort", ({ response, segments: [id = ""] }) => {
      sendJson(response, 202, devices.abort(id));
    }),
  ];
}

function explained(handle: AdminRoute["handle"]): AdminRoute["handle"] {
  return async (call) => {
    try {
      await handle(call);
    } catch (thrown) {
      if (!(thrown instanceof SwapRefusedError)) throw thrown;
      const { reason, message: error } = thrown;
      sendJson(call.response, statusOf[reason], { reason, error });
    }
  };
}

function reportOf(devices: Devices, id: string): SwapReport {
  const found = devices.swaps().find((report) => report.id === id);
  if (found) return found;
  throw new SwapRefusedError("unknown", `unknown swap ${id}`);
}

/** Reads the body. @throws SwapRefusedError if it is too long or not JSON */
async function jsonBody(request: IncomingMessage): Promise<unknown> {
  const pieces: Buffer[] = [];
  let byteCount = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    byteCount += piece.length;
    if (byteCount > maxBytes) {
      throw new SwapRefusedError("invalid", `the request is longer than ${maxBytes} bytes`);
    }
    pieces.push(piece);
    if (pieces.length > maxPieces) {
      throw new SwapRefusedError("invalid", `the request arrives in more than ${maxPieces} chunks`);
    }
  }
  try {
    return parseJsonBody(Buffer.concat(pieces), createWorkBudget(maxElements));
  } catch (thrown) {
    throw new SwapRefusedError(
      "invalid",
      `the request is not valid JSON: ${(thrown as Error).message}`,
    );
  }
}

/** Sends one JSON object per line, and empty lines to keep the connection alive. */
async function sendProgress(response: ServerResponse, steps: AsyncIterable<object>): Promise<void> {
  response.writeHead(200, { "content-type": "application/jsonl", "cache-control": "no-store" });
  response.flushHeaders();
  const keepAlive = setInterval(() => response.write("\n"), keepAliveMs).unref();
  response.once("close", () => clearInterval(keepAlive));
  for await (const step of steps) {
    if (response.destroyed) break;
    response.write(`${JSON.stringify(step)}\n`);
  }
  response.end();
}
