import { hkdfSync } from "node:crypto";
import type { ConnectionOptions, TlsOptions } from "node:tls";

/**
 * Forward secrecy and mutual authentication by a key that both sides have. TLS 1.2, since Node has no external keys in 1.3.
 *
 * @see RFC 5489 and RFC 7905
 */
const suite = {
  ciphers: "ECDHE-PSK-CHACHA20-POLY1305",
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.2",
} as const;

const identity = "tensorgate";

/** Returns the settings of TLS for both sides of a connection between gateways with a common secret. */
export function peerTls(secret: string): {
  readonly server: TlsOptions;
  readonly client: ConnectionOptions;
} {
  const psk = Buffer.from(hkdfSync("sha256", secret, "", "tensorgate slot sharing", 32));
  return {
    server: { ...suite, pskCallback: (_socket, name) => (name === identity ? psk : null) },
    client: {
      ...suite,
      pskCallback: () => ({ psk, identity }),
      // The key proves who the server is; there is no certificate.
      checkServerIdentity: () => undefined,
    },
  };
}
