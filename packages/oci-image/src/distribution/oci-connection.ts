import { OciError } from "../oci-error.ts";
import { createAuthorization } from "./authorization.ts";
import type { FindCredentials } from "./docker-credentials.ts";
import {
  type HttpDeps,
  type HttpOptions,
  idleTimeout,
  retryAfterMs,
  TransientError,
  withRetries,
} from "./http.ts";
import { type OciReference, ociText } from "./oci-reference.ts";

export interface OciDeps extends HttpDeps {
  readonly findCredentials: FindCredentials;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
}

export interface OciOptions extends HttpOptions {
  /**
   * Whether to speak HTTP without TLS; by default to this machine only, as Docker does.
   */
  readonly plainHttp?: boolean;
  /**
   * Bytes of one request of an upload; a registry may ask for more.
   * @default 16_777_216
   */
  readonly chunkBytes?: number;
}

export interface OciRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PATCH" | "PUT" | "DELETE";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Blob | Uint8Array<ArrayBuffer>;
}

/** Reads a response while the time without progress is limited; `touch` reports progress. */
export type ReadResponse<Result> = (response: Response, touch: () => void) => Promise<Result>;

/** Requests to one repository, with the credentials that its registry asks for. */
export interface OciConnection {
  readonly host: string;
  /** URL of the registry, such as `https://registry.example`. */
  readonly base: string;
  /** URL of the repository. */
  readonly path: string;
  /** Sends a request once. @throws TransientError for a failure after which it may succeed */
  once<Result>(url: string, request: OciRequest, read: ReadResponse<Result>): Promise<Result>;
  /** Repeats an attempt after transient failures. */
  retried<Result>(attempt: () => Promise<Result>): Promise<Result>;
  /** Sends a request, repeatedly after transient failures. */
  call<Result>(url: string, request: OciRequest, read: ReadResponse<Result>): Promise<Result>;
  /** @throws OciError with the status, what the registry says and what to do, unless the status is expected */
  expectStatus(response: Response, expected: readonly number[], failed: string): Promise<void>;
}

export function openOciConnection(
  { host, repository }: Pick<OciReference, "host" | "repository">,
  options: OciOptions,
  deps: OciDeps,
): OciConnection {
  const { plainHttp = isThisMachine(host), signal: caller } = options;
  const base = `${plainHttp ? "http" : "https"}://${host}`;
  const authorization = createAuthorization(base, { ...deps, signal: caller });

  const attempt = async <Result>(
    url: string,
    { headers = {}, ...request }: OciRequest,
    read: ReadResponse<Result>,
  ): Promise<Result | "unauthorized"> => {
    using timeout = idleTimeout(deps, options);
    // A registry may send uploads elsewhere, which must not see its credentials.
    const value = url.startsWith(`${base}/`) ? authorization.header(repository) : undefined;
    const sent = value === undefined ? headers : { ...headers, authorization: value };
    try {
      const response = await deps.fetch(url, { ...request, signal: timeout.signal, headers: sent });
      if (response.status === 401 && (await authorization.challenge(response, repository))) {
        await response.body?.cancel();
        return "unauthorized";
      }
      if (isTransient(response.status)) {
        await response.body?.cancel();
        const waitMs = retryAfterMs(response.headers, deps.nowMs());
        throw new TransientError(`${host} answers ${response.status}`, {
          ...(waitMs !== undefined && { retryAfterMs: waitMs }),
        });
      }
      return await read(response, timeout.touch);
    } catch (cause) {
      if (caller?.aborted) throw caller.reason;
      throw timeout.signal.aborted ? timeout.signal.reason : connectionError(host, cause);
    }
  };
  const once: OciConnection["once"] = async (url, request, read) => {
    for (;;) {
      const result = await attempt(url, request, read);
      if (result !== "unauthorized") return result;
    }
  };
  const retried: OciConnection["retried"] = (run) => withRetries(run, { ...deps, signal: caller });

  return {
    host,
    base,
    path: `${base}/v2/${repository}`,
    once,
    retried,
    call: (url, request, read) => retried(() => once(url, request, read)),
    expectStatus: async (response, expected, failed) => {
      if (expected.includes(response.status)) return;
      const { status } = response;
      const said = errorMessage(await response.text().catch(() => ""));
      const where = ociText({ host, repository, tag: "" }).replace(/:$/, "");
      const reason = said === undefined ? `${status}` : `${status} ${said}`;
      const hint = status === 401 || status === 403 ? `; log in: docker login ${host}` : "";
      throw new OciError(
        status === 404 ? "not-found" : "remote",
        `cannot ${failed} ${where}: ${reason}${hint}`,
      );
    },
  };
}

const isTransient = (status: number) => status === 408 || status === 429 || status >= 500;

function isThisMachine(host: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/.test(host);
}

/** Longest answer that is searched for a reason, in characters. */
const maxErrorChars = 4_096;

/** @see OCI distribution specification 1.1, "Error codes" */
function errorMessage(text: string): string | undefined {
  return /"message"\s*:\s*"([^"]{1,300})"/.exec(text.slice(0, maxErrorChars))?.[1];
}

/** An error of the connection may pass; one of ours stays what it is. */
function connectionError(host: string, cause: unknown): unknown {
  if (cause instanceof OciError || cause instanceof TransientError) return cause;
  // A file that cannot be written does not heal.
  if (cause instanceof Error && "syscall" in cause && "path" in cause) return cause;
  const error = cause as Error;
  const detail = error.cause instanceof Error ? error.cause.message : error.message;
  return new TransientError(`${host} cannot be reached: ${detail}`, { cause });
}
