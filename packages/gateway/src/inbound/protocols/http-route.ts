import type { CallContext, Protocol, ScoringError } from "@tensorgate/core";
import type { Exchange } from "../server/exchange.ts";
import type { Tasks } from "./call.ts";
import type { ReplyFacts } from "./reply-headers.ts";

/** Values of the `{names}` in a route's path, percent-decoded. */
export type PathParams = Readonly<Record<string, string>>;

/** A body and what it is. */
export interface HttpBody {
  /** @default 200 */
  readonly status?: number;
  readonly contentType: string;
  readonly body: string | Uint8Array;
}

export interface HttpAnswer extends HttpBody, ReplyFacts {
  /** Beside those that every answer has. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** The call that a route answers. */
export interface RouteCall {
  readonly call: CallContext;
  readonly params: PathParams;
  readonly tasks: Tasks;
}

/** One thing that can be asked by plain HTTP. It only translates: the failure it throws is answered elsewhere. */
export interface HttpRoute {
  readonly method: "GET" | "POST";
  /** As OpenAPI writes it: `/v1/classify/{model}`. */
  readonly path: string;
  /**
   * Whose form it has, where it is not our own.
   * @default "rest"
   */
  readonly protocol?: Protocol;
  /** Whether it is answered without a key, and not worth a record. */
  readonly isPublic?: true;
  readonly answer: (exchange: Exchange, routed: RouteCall) => Promise<HttpAnswer> | HttpAnswer;
  /** An error in the form of this route's protocol; it has the status that `wireStatus` gives it. */
  readonly errorBody: (error: ScoringError, requestId: string) => HttpBody;
}

/** Finds what of a path template `path` is, or undefined if it is not of it. */
export type MatchPath = (path: string) => PathParams | undefined;

/** Compiles a path template. A parameter is one segment that is not empty and, but for a colon, anything. */
export function pathMatcher(template: string): MatchPath {
  const names: string[] = [];
  const source = template
    .split("/")
    .map((segment) => {
      const name = /^\{(\w+)\}$/.exec(segment)?.[1];
      if (name === undefined) return segment.replaceAll(".", "\\.");
      names.push(name);
      return "([^/:]+)";
    })
    .join("/");
  const pattern = new RegExp(`^${source}$`);
  return (path) => {
    const match = pattern.exec(path);
    if (!match) return undefined;
    return Object.fromEntries(names.map((name, index) => [name, decoded(match[index + 1] ?? "")]));
  };
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
