import type net from "node:net";
import type tls from "node:tls";
import { type Clock, SettingError } from "@tensorgate/core";
import { nodeTls } from "../../../node-modules.ts";
import { readRegularFile } from "../../../regular-file.ts";
import type { TlsOptions } from "../../options.ts";

/** Runs the TLS handshake of accepted sockets, with the certificate that the files hold at that moment. */
export interface TlsAcceptor {
  /** Calls `onSecured` if the handshake succeeds; otherwise the socket is closed. */
  accept(socket: net.Socket, onSecured: (secured: tls.TLSSocket) => void): void;
  /** Stops checking the files. */
  close(): void;
}

/** A certificate that was loaded, or, with an error, one that was rejected. */
export interface CertificateNews {
  readonly file: string;
  readonly error?: Error;
}

export interface TlsAcceptorDeps {
  readonly clock: Clock;
  readonly onCertificates: (news: CertificateNews) => void;
}

/**
 * TLS 1.3, and of TLS 1.2 what is forward secret and authenticated: a key that is stolen later opens nothing recorded.
 *
 * @see RFC 9325, section 4.2
 */
const ciphers = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

/** What may be spoken. OpenSSL's own floor hides the lowest version from a handshake, but not in every build. */
export const tlsProtocol: { readonly minVersion: "TLSv1.2"; readonly ciphers: string } = {
  minVersion: "TLSv1.2",
  ciphers,
};

/** How often the files are checked. Kubernetes swaps folders by links, which no watcher reports reliably. */
const checkEveryMs = 30_000;

/** @throws SettingError if a file cannot be used; later faults are reported and the old certificate stays active */
export function createTlsAcceptor(
  files: TlsOptions,
  { clock, onCertificates }: TlsAcceptorDeps,
): TlsAcceptor {
  let current = readFiles(files);
  const server = nodeTls().createServer({
    ...secureContext(files, current),
    ...tlsProtocol,
    ALPNProtocols: ["h2", "http/1.1"],
    requestCert: files.clientCa !== undefined,
    rejectUnauthorized: files.clientCa !== undefined,
  });
  const waiting = new Map<string, (secured: tls.TLSSocket) => void>();
  server.on("secureConnection", (secured) => {
    secured.on("error", () => {});
    const key = endpointsOf(secured);
    const onSecured = waiting.get(key);
    if (!onSecured) return void secured.destroy();
    waiting.delete(key);
    onSecured(secured);
  });
  server.on("tlsClientError", (_error, secured) => void secured.destroy());

  let timer = clock.setTimer(checkEveryMs, checkFiles);
  function checkFiles(): void {
    timer = clock.setTimer(checkEveryMs, checkFiles);
    try {
      const found = readFiles(files);
      if (JSON.stringify(found) === JSON.stringify(current)) return;
      server.setSecureContext(secureContext(files, found));
      current = found;
      onCertificates({ file: files.cert });
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      onCertificates({
        file: thrown instanceof SettingError ? thrown.where : files.cert,
        error,
      });
    }
  }

  return {
    accept: (socket, onSecured) => {
      const key = endpointsOf(socket);
      waiting.set(key, onSecured);
      socket.once("close", () => {
        if (waiting.get(key) === onSecured) waiting.delete(key);
      });
      server.emit("connection", socket);
    },
    close: () => timer[Symbol.dispose](),
  };
}

/** @throws SettingError if a file cannot be used, as `createTlsAcceptor` does */
export function assertTlsFiles(files: TlsOptions): void {
  secureContext(files, readFiles(files));
}

interface PemTexts {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
}

function readFiles({ cert, key, clientCa }: TlsOptions): PemTexts {
  return {
    cert: readPem(cert),
    key: readPem(key),
    ...(clientCa !== undefined && { ca: readPem(clientCa) }),
  };
}

function readPem(file: string): string {
  try {
    return readRegularFile(file).toString("utf8");
  } catch (cause) {
    throw new SettingError(file, cause);
  }
}

/** Tried out before it is taken: a key that is not that of the certificate would fail every handshake. */
function secureContext({ cert }: TlsOptions, texts: PemTexts): tls.SecureContextOptions {
  try {
    nodeTls().createSecureContext({ ...texts });
  } catch (cause) {
    throw new SettingError(cert, cause);
  }
  return { ...texts };
}

/** Identifies a connection while it is open. */
function endpointsOf(socket: net.Socket): string {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
