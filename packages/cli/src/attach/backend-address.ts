import { CommandError } from "../command-error.ts";

export interface BackendAddress {
  /** `host:port`. */
  readonly address: string;
  readonly isTls: boolean;
}

const ports: Readonly<Record<string, string>> = { "grpc:": "8500", "grpcs:": "443" };

/**
 * Reads `grpc://host:port`, `grpcs://host` or `host:port`.
 *
 * @throws CommandError for any other text
 */
export function backendAddress(text: string): BackendAddress {
  const withScheme = text.includes("://") ? text : `grpc://${text}`;
  let url: URL;
  try {
    url = new URL(withScheme);
  } catch {
    throw new CommandError(`invalid address "${text}": expected grpc://host:port or host:port`);
  }
  const usual = ports[url.protocol];
  if (usual === undefined || url.hostname === "") {
    throw new CommandError(
      `invalid gRPC address "${text}": expected grpc://host:port, or grpcs://host:port for TLS`,
    );
  }
  return { address: `${url.hostname}:${url.port || usual}`, isTls: url.protocol === "grpcs:" };
}
