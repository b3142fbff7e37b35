import type { Duplex } from "node:stream";

/** A message between gateways, as JSON: `type` says what else it has. */
export interface PeerMessage {
  readonly type: string;
}

/** One connection between two gateways. */
export interface PeerConnection {
  /** Sends a message with the others of the same event. */
  send(message: PeerMessage): void;
  close(): void;
}

export interface PeerConnectionDeps {
  /** Called with each message in order. What it throws ends the connection. */
  readonly onMessage: (message: PeerMessage) => void;
  /** Called once when the connection has ended, for whatever reason. */
  readonly onClose: (because: string) => void;
}

/** Longest line, in characters, and most that may wait to be sent, in bytes: another gateway that is behind by so much is of no use. */
const maxLineChars = 1 << 20;
const maxWaitingBytes = 8 << 20;

/** Reads and writes messages, as lines with one JSON array each. */
export function createPeerConnection(
  socket: Duplex,
  { onMessage, onClose }: PeerConnectionDeps,
): PeerConnection {
  let waiting: PeerMessage[] = [];
  let rest = "";
  let because = "the other gateway closed the connection";

  function flush(): void {
    const batch = waiting;
    waiting = [];
    if (socket.destroyed) return;
    socket.write(`${JSON.stringify(batch)}\n`);
    if (socket.writableLength > maxWaitingBytes) end("the other gateway does not read");
  }

  function end(reason: string): void {
    because = reason;
    socket.destroy();
  }

  function read(chunk: string): void {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    try {
      if (rest.length > maxLineChars) throw new RangeError("it is too long");
      for (const line of lines) {
        for (const message of JSON.parse(line) as readonly PeerMessage[]) {
          if (!socket.destroyed) onMessage(message);
        }
      }
    } catch (thrown) {
      end(`a message cannot be used: ${thrown instanceof Error ? thrown.message : thrown}`);
    }
  }

  socket.setEncoding("utf8");
  socket.on("data", read);
  socket.on("error", ({ message }) => {
    because = message;
  });
  socket.on("end", () => socket.destroy());
  socket.once("close", () => onClose(because));
  return {
    send: (message) => {
      waiting.push(message);
      if (waiting.length === 1) queueMicrotask(flush);
    },
    close: () => end("closed"),
  };
}
