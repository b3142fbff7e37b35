import { z } from "zod";
import { OciError } from "../oci-error.ts";
import type { Credentials, FindCredentials } from "./docker-credentials.ts";

/** Answers the challenges of one registry. Tokens are kept for the scope that they are for. */
export interface Authorization {
  /** Value of the header for a repository; undefined before the first challenge. */
  header(repository: string): string | undefined;
  /**
   * Answers a 401.
   *
   * @returns false if there is nothing better to send than before
   * @throws OciError `remote` if a token is refused
   */
  challenge(response: Response, repository: string): Promise<boolean>;
}

export interface AuthorizationDeps {
  readonly fetch: typeof fetch;
  readonly findCredentials: FindCredentials;
  readonly signal?: AbortSignal | undefined;
}

const tokenAnswer = z.object({ token: z.string().optional(), access_token: z.string().optional() });

/** Largest answer of a token server, in characters. */
const maxTokenChars = 1 << 20;

/**
 * Creates the authorization for a registry.
 *
 * @param registryUrl - a token server without TLS is refused if the registry has it
 * @see https://distribution.github.io/distribution/spec/auth/token/
 */
export function createAuthorization(
  registryUrl: string,
  { fetch: send, findCredentials, signal }: AuthorizationDeps,
): Authorization {
  const headers = new Map<string, string>();
  const { host } = new URL(registryUrl);

  const token = async (
    parameters: ReadonlyMap<string, string>,
    credentials: Credentials | undefined,
  ): Promise<string> => {
    const realm = tokenServer(parameters.get("realm") ?? "", registryUrl);
    const query = new URLSearchParams();
    for (const name of ["service", "scope"]) {
      const value = parameters.get(name);
      if (value !== undefined) query.set(name, value);
    }
    const response =
      credentials?.kind === "identity-token"
        ? await send(realm, {
            method: "POST",
            signal: signal ?? null,
            body: new URLSearchParams({
              ...Object.fromEntries(query),
              grant_type: "refresh_token",
              client_id: "tensorgate",
              refresh_token: credentials.token,
            }),
          })
        : await send(`${realm}${realm.search ? "&" : "?"}${query}`, {
            signal: signal ?? null,
            headers: credentials ? { authorization: basic(credentials) } : {},
          });
    const text = await response.text();
    if (!response.ok) throw refused(host, `its token server answers ${response.status}`);
    const answer = tokenAnswer.safeParse(text.length > maxTokenChars ? "" : jsonOf(text));
    const found = answer.data?.token ?? answer.data?.access_token;
    if (found) return found;
    throw refused(host, "its token server gives no token");
  };

  return {
    header: (repository) => headers.get(repository) ?? headers.get(""),
    challenge: async (response, repository) => {
      const challenge = response.headers.get("www-authenticate") ?? "";
      const [, scheme = "", rest = ""] = /^(\w+)\s+(.*)$/s.exec(challenge) ?? [];
      const before = headers.get(repository);
      const credentials = await findCredentials(host);
      if (scheme.toLowerCase() === "bearer") {
        if (before?.startsWith("Bearer ") && !isExpired(rest)) return false;
        headers.set(repository, `Bearer ${await token(parametersOf(rest), credentials)}`);
        return true;
      }
      if (credentials?.kind !== "password" || before !== undefined) return false;
      headers.set(repository, basic(credentials));
      return true;
    },
  };
}

/** A token that has expired, or is for less than this request, is replaced; one that is refused is not. */
const isExpired = (challenge: string) =>
  /error="?(invalid_token|insufficient_scope)/.test(challenge);

/** @see RFC 9110, section 11.2 */
function parametersOf(text: string): ReadonlyMap<string, string> {
  return new Map(
    [...text.matchAll(/([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))/g)].map(
      ([, name = "", quoted, plain = ""]) => [
        name.toLowerCase(),
        quoted?.replace(/\\(.)/g, "$1") ?? plain,
      ],
    ),
  );
}

function tokenServer(realm: string, registryUrl: string): URL {
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  const { protocol, host } = new URL(registryUrl);
  if (url && (url.protocol === "https:" || url.protocol === protocol)) return url;
  throw refused(host, `it names the token server "${realm}", which has no TLS`);
}

function basic(credentials: Credentials): string {
  if (credentials.kind !== "password") return `Bearer ${credentials.token}`;
  const { user, password } = credentials;
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}

function refused(host: string, why: string): OciError {
  return new OciError("remote", `${host} refuses access: ${why}; log in: docker login ${host}`);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
