import type { IncomingMessage, ServerResponse } from "node:http";
import { createWorkBudget, parseJsonBody } from "@tensorgate/core";
import {
  type Devices,
  SwapRefusedError,
  type SwapReport,
  swapRequestFromJson,
} from "@tensorgate/gateway";
import { type AdminCall, type AdminRoute, sendJson } from "../telemetry/admin-server.ts";

/** Longest request, in bytes: a golden picture in base64 is most of it. */
const maxBytes = 16_777_216;
/** Pieces that a request may come in: each costs the same, however small. */
const maxPieces = 8_192;
/** Values and keys of a request; a thousand replicas are most of them. */
const maxElements = 8_192;
/** Between two signs of life while a device is silent for minutes, in milliseconds. */
const aliveEveryMs = 15_000;

const statusOf = { invalid: 400, unknown: 404, busy: 409, floor: 409, unreachable: 503 } as const;

/**
 * What the admin port answers about devices. A swap takes minutes, so it is begun by one request and followed by
 * others: whoever loses a connection loses nothing.
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
      const asked = swapRequestFromJson(await jsonBody(request));
      const { id } = await devices.swap(asked, ({ swapId, text }) =>
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

/** @throws SwapRefusedError if it is too long or no JSON */
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

/** A JSON object a line; lines without anything are signs of life. */
async function sendProgress(response: ServerResponse, steps: AsyncIterable<object>): Promise<void> {
  response.writeHead(200, { "content-type": "application/jsonl", "cache-control": "no-store" });
  response.flushHeaders();
  const alive = setInterval(() => response.write("\n"), aliveEveryMs).unref();
  response.once("close", () => clearInterval(alive));
  for await (const step of steps) {
    if (response.destroyed) break;
    response.write(`${JSON.stringify(step)}\n`);
  }
  response.end();
}
