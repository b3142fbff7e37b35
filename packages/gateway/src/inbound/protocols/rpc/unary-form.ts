import type { Protocol } from "@tensorgate/core";
import { parseTimeout } from "@tensorgate/grpc";
import type { NodeRequest } from "../../server/node-http.ts";

/** How the message of a call stands in its body, and that of the answer. */
export interface UnaryForm {
  readonly protocol: Protocol;
  /** Whether it comes in an envelope; otherwise the body is the message. */
  readonly isEnveloped: boolean;
  readonly isJson: boolean;
  readonly timeoutHeader: string;
  /** @returns milliseconds; undefined if the library is to reject it */
  readonly timeoutFrom: (text: string) => number | undefined;
  /** Of answers, whichever of its names the request has. */
  readonly contentType: string;
  /** Says which compression requests may have. */
  readonly acceptHeader: string;
}

export const grpcForm: UnaryForm = {
  protocol: "grpc",
  isEnveloped: true,
  isJson: false,
  contentType: "application/grpc+proto",
  timeoutHeader: "grpc-timeout",
  timeoutFrom: parseTimeout,
  acceptHeader: "grpc-accept-encoding",
};
export const grpcWebForm: UnaryForm = {
  ...grpcForm,
  protocol: "grpc-web",
  contentType: "application/grpc-web+proto",
};
const connect: UnaryForm = {
  protocol: "connect",
  isEnveloped: false,
  isJson: false,
  contentType: "application/proto",
  timeoutHeader: "connect-timeout-ms",
  timeoutFrom: (text) => (/^\d{1,10}$/.test(text) ? Number(text) : undefined),
  acceptHeader: "accept-encoding",
};

const connectJson: UnaryForm = { ...connect, isJson: true, contentType: "application/json" };

const forms: ReadonlyMap<string, UnaryForm> = new Map([
  ["application/grpc", grpcForm],
  ["application/grpc+proto", grpcForm],
  ["application/grpc-web", grpcWebForm],
  ["application/grpc-web+proto", grpcWebForm],
  ["application/proto", connect],
  ["application/json", connectJson],
]);

/** A request that is read here, as its headers say. */
export interface PlainCall {
  readonly form: UnaryForm;
  readonly timeoutMs: number | undefined;
}

/** @returns undefined if the library is to read the request, or reject it: compressed, or unusual in any other way */
export function plainCallOf({
  method,
  headers,
  httpVersionMajor,
}: NodeRequest): PlainCall | undefined {
  const form = forms.get(headers["content-type"] ?? "");
  if (!form || method !== "POST") return undefined;
  // Trailers of HTTP/1.1 are an exception, which the library knows.
  if (form === grpcForm && httpVersionMajor < 2) return undefined;
  const isPacked =
    headers["content-encoding"] ?? headers["grpc-encoding"] ?? headers["connect-content-encoding"];
  if (isPacked !== undefined && isPacked !== "identity") return undefined;
  const version = headers["connect-protocol-version"];
  if (version !== undefined && version !== "1") return undefined;
  const timeout = headers[form.timeoutHeader];
  if (timeout === undefined) return { form, timeoutMs: undefined };
  const timeoutMs = form.timeoutFrom(String(timeout));
  return timeoutMs === undefined ? undefined : { form, timeoutMs };
}
