import type { Duplex } from "node:stream";

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/**
 * Reads until the first bytes tell which version of HTTP is spoken, puts them back and says which.
 *
 * The socket must not be resumed by hand afterwards: an HTTP/2 session would lose what was put back.
 *
 * @see RFC 9113, section 3.4
 */
export function sniffHttpVersion(
  socket: Duplex,
  onVersion: (version: "http/1.1" | "h2") => void,
): void {
  let seen: Buffer = Buffer.alloc(0);
  const onReadable = () => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const compared = Math.min(seen.length, preface.length);
    const couldBeHttp2 = preface.subarray(0, compared).equals(seen.subarray(0, compared));
    if (couldBeHttp2 && seen.length < preface.length) return;
    socket.off("readable", onReadable);
    socket.unshift(seen);
    onVersion(couldBeHttp2 ? "h2" : "http/1.1");
  };
  socket.on("readable", onReadable);
}
