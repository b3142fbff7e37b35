import net from "node:net";
import { nodeTls } from "../../../node-modules.ts";
import type { Http2Options } from "./contract.ts";

/** Every connection reads into this: what was received is used up before the next one reads. */
const readBuffer = Buffer.allocUnsafeSlow(65_536);

/**
 * Opens the socket of a connection.
 *
 * @param onBytes - called with what was received, which is valid until it returns
 */
export function openSocket(
  { scheme, authority, lookup, tls: secured }: Http2Options,
  onBytes: (bytes: Buffer) => void,
): net.Socket {
  const colon = authority.lastIndexOf(":");
  const host = authority.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
  const to = {
    host,
    port: Number(authority.slice(colon + 1)),
    ...(lookup && { lookup }),
    noDelay: true,
    onread: {
      buffer: readBuffer,
      callback: (byteCount: number) => {
        onBytes(readBuffer.subarray(0, byteCount));
        return true;
      },
    },
  };
  if (scheme === "http") return net.connect(to);
  return nodeTls().connect({
    ALPNProtocols: ["h2"],
    ...(net.isIP(host) === 0 && { servername: host }),
    ...secured,
    ...to,
  });
}

/** Whether the server has agreed to HTTP/2, where TLS lets it choose. @see RFC 9113, section 3.2 */
export function speaksHttp2(socket: net.Socket): boolean {
  return !("alpnProtocol" in socket) || socket.alpnProtocol === "h2";
}
