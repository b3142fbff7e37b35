import type { SecureClientSessionOptions } from "node:http2";
import type { SecureContext, SecureContextOptions } from "node:tls";
import { SettingError } from "@tensorgate/core";
import { nodeTls } from "../../node-modules.ts";
import { readRegularFile } from "../../regular-file.ts";
import type { ReplicaTlsOptions, UpstreamKeyOptions } from "./options.ts";

/** TLS settings and the key of the gateway at a replica. */
export interface Credentials {
  readonly scheme: "http" | "https";
  /**
   * Reads the files again, so that renewed ones take effect at the next connection.
   * @throws SettingError if one of them cannot be used
   */
  read(): FreshCredentials;
}

export interface FreshCredentials {
  readonly tls: SecureClientSessionOptions;
  /** With the gateway's own key; keys of clients are not forwarded. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface CredentialOptions {
  readonly tls?: ReplicaTlsOptions | undefined;
  readonly key?: UpstreamKeyOptions | undefined;
  /** Whether `authorization` takes the key without "Bearer" before it. */
  readonly isKeyBare?: boolean;
  /** Further headers of every call. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Creates the credentials of a pool. @param where - the pool in the configuration, for messages */
export function createCredentials(
  { tls, key, isKeyBare = false, headers = {} }: CredentialOptions,
  where: string,
  env: NodeJS.ProcessEnv = process.env,
): Credentials {
  const read = { where: `${where}.key`, env };
  return {
    scheme: tls ? "https" : "http",
    read: () => ({
      tls: tls ? tlsOptions(tls, where) : {},
      headers: { ...headers, ...(key && keyHeader(key, isKeyBare, read)) },
    }),
  };
}

interface KeyPlace {
  /** In the configuration, for messages. */
  readonly where: string;
  readonly env: NodeJS.ProcessEnv;
}

function tlsOptions(
  { ca, cert, key, serverName }: ReplicaTlsOptions,
  where: string,
): SecureClientSessionOptions {
  const file = (name: string, path: string) => readText(`${where}.tls.${name}`, path);
  const texts = {
    ...(ca !== undefined && { ca: file("ca", ca) }),
    ...(cert !== undefined && { cert: file("cert", cert) }),
    ...(key !== undefined && { key: file("key", key) }),
  };
  return {
    secureContext: secureContext(texts, `${where}.tls`),
    ALPNProtocols: ["h2"],
    // Explicit, because the environment can turn the default off: NODE_TLS_REJECT_UNAUTHORIZED=0.
    rejectUnauthorized: true,
    ...(serverName !== undefined && { servername: serverName }),
  };
}

/** Creates the context here rather than in `connect`, so that invalid or mismatched files are reported with their setting. */
function secureContext(texts: SecureContextOptions, where: string): SecureContext {
  try {
    return nodeTls().createSecureContext({ ...texts, minVersion: "TLSv1.2" });
  } catch (cause) {
    throw new SettingError(where, cause);
  }
}

function keyHeader(
  key: UpstreamKeyOptions,
  isKeyBare: boolean,
  { where, env }: KeyPlace,
): Readonly<Record<string, string>> {
  const value = keyText(key, { where, env });
  if (!/^[\x21-\x7e]+$/.test(value)) {
    throw new SettingError(where, "the key has characters that are not allowed in a header");
  }
  if (key.header !== undefined) return { [key.header]: value };
  return { authorization: isKeyBare ? value : `Bearer ${value}` };
}

function keyText(
  { env: variable, file, value }: UpstreamKeyOptions,
  { where, env }: KeyPlace,
): string {
  const text = value ?? (file === undefined ? env[variable ?? ""] : readText(where, file));
  if (text?.trim()) return text.trim();
  throw new SettingError(
    where,
    file === undefined
      ? `the environment variable ${variable} is not set`
      : `${file} is empty; it must contain the key`,
  );
}

function readText(where: string, file: string): string {
  try {
    return readRegularFile(file).toString("utf8");
  } catch (cause) {
    throw new SettingError(where, cause);
  }
}
