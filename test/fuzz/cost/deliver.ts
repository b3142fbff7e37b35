import net from "node:net";
import type { Door } from "./measured-gateway.ts";
import type { Upstream, UpstreamReply } from "./upstream.ts";

/** One request, and what the replica behind the gateway answers to what it causes. */
export interface Sent {
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A GET without it. */
  readonly body?: Buffer;
  /** All of a connection's bytes, in place of a request. */
  readonly raw?: Buffer;
  readonly reply?: UpstreamReply;
  /** A method that the gateway calls by itself, sooner or later. */
  readonly awaits?: string;
  /** Whether the answer has no end: then its beginning is enough. */
  readonly isEndless?: boolean;
  /** Stands for so many requests like it; their cost is in proportion. */
  readonly times?: number;
}

/** Sends a request and resolves when it is answered, or refused, or its connection is gone. */
export async function deliver(sent: Sent, door: Door, upstream: Upstream): Promise<void> {
  if (sent.reply) upstream.misbehave(sent.reply);
  try {
    if (sent.awaits !== undefined) await upstream.nextAnswer(sent.awaits);
    else if (sent.raw) await sendRaw(sent.raw, door.port);
    else await sendRequest(sent, door);
  } finally {
    upstream.behave();
  }
}

function sendRequest({ path, headers, body, isEndless }: Sent, door: Door): Promise<void> {
  return new Promise((resolve) => {
    const stream = door.session().request({
      ":method": body ? "POST" : "GET",
      ":path": path,
      ":authority": "localhost",
      ...headers,
    });
    stream.on("error", () => {});
    stream.once("close", resolve);
    // What has its answer is not sent to its end: a refusal is one of the first bytes.
    stream.once("end", () => stream.close());
    if (isEndless) stream.once("data", () => stream.close());
    stream.resume();
    stream.end(body);
  });
}

/** How long an answer may be silent before a raw connection is closed, in milliseconds. */
const silenceMs = 300;

function sendRaw(bytes: Buffer, port: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.once("close", () => resolve());
    socket.resume();
    // Silence counts from when all has been sent.
    socket.write(bytes, () => socket.setTimeout(silenceMs, () => socket.destroy()));
  });
}

/** Whether a good request is answered well: on its own connection, so that the listener is asked too. */
export async function isWell(port: number, sent: Sent): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}${sent.path}`, {
      method: sent.body ? "POST" : "GET",
      headers: { ...sent.headers, connection: "close" },
      ...(sent.body && { body: new Uint8Array(sent.body) }),
      signal: AbortSignal.timeout(20_000),
    });
    await response.arrayBuffer();
    return response.status === 200;
  } catch {
    return false;
  }
}
