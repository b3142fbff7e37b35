import type { FailureReason } from "@tensorgate/core";
import { wireStatus } from "../../wire-status.ts";
import { problemTitles } from "../errors.ts";
import { ref } from "./schema.ts";

/** Why a call may fail, with an example of the detail; a status may stand for several reasons. */
const details: Readonly<Record<FailureReason, string>> = {
  cancelled: "the client closed the request",
  "invalid-request": 'topK must be a number, got "five"',
  "unsupported-media": "not a picture that can be decoded",
  "too-large": "the body is longer than 33554432 bytes",
  "deadline-exceeded": "the deadline of 10000 ms has passed",
  "unknown-model": 'unknown model "shape"',
  "unknown-version": 'model "shapes" has no version 7',
  unauthenticated: "a key is required",
  forbidden: 'the key is not for model "shapes"',
  "failed-precondition": 'model "shapes" does not detect',
  "not-supported": "transfer-encoding gzip is not supported",
  "quota-exceeded": "the quota of this key is used up",
  overloaded: "more calls wait than can be answered in time",
  "model-not-ready": 'model "shapes" is loading',
  "no-replica": 'no replica of "shapes" is in rotation',
  "upstream-failed": "every replica that was tried failed",
  "upstream-answered": "the model server rejects the request",
  internal: "internal error",
};

const reasons = Object.keys(details) as readonly FailureReason[];
const statuses = [...new Set(reasons.map((reason) => wireStatus[reason].http))].toSorted();

const header = (name: string) => ({ $ref: `#/components/headers/${name}` });

function headersOf(status: number): object {
  return {
    "x-request-id": header("RequestId"),
    ...(status === 401 && { "www-authenticate": header("Authenticate") }),
    ...([429, 502, 503].includes(status) && {
      "retry-after": header("RetryAfter"),
      "grpc-retry-pushback-ms": header("RetryPushback"),
    }),
  };
}

/** A problem of each reason that has this status, as an example. */
function examplesOf(status: number): object {
  const examples = reasons
    .filter((reason) => wireStatus[reason].http === status)
    .map((reason) => {
      const type = `urn:tensorgate:${reason}`;
      const title = problemTitles[reason];
      const detail = details[reason];
      const requestId = "6f1c9a0e-2f57-4c52-9a3e-0f6f1f2f9f61";
      return [reason, { value: { type, title, status, detail, reason, requestId } }] as const;
    });
  return Object.fromEntries(examples);
}

const titlesOf = (status: number) =>
  reasons
    .filter((reason) => wireStatus[reason].http === status)
    .map((reason) => `${problemTitles[reason]} (\`${reason}\`)`)
    .join(", ");

/** The form in which a protocol writes an error. */
type ErrorForm = "Problem" | "ServingError" | "InferenceError";

const elsewhere: Readonly<Record<ErrorForm, string>> = {
  Problem: "Any other status, such as that of an unknown path or of a wrong method.",
  ServingError: "Any other status, such as one that a replica gave.",
  InferenceError: "Any other status, such as one that a replica gave.",
};

/** The responses of the document, by name: one per status and form. */
export const problemComponents: Readonly<Record<string, object>> = Object.fromEntries(
  (["Problem", "ServingError", "InferenceError"] as const).flatMap((form) => [
    ...statuses.map((status) => [
      `${form}${status}`,
      {
        description: `${titlesOf(status)}.`,
        headers: headersOf(status),
        content:
          form === "Problem"
            ? {
                "application/problem+json": {
                  schema: ref("Problem"),
                  examples: examplesOf(status),
                },
              }
            : { "application/json": { schema: ref(form) } },
      },
    ]),
    [
      `${form}Default`,
      {
        description: elsewhere[form],
        headers: headersOf(0),
        content:
          form === "Problem"
            ? { "application/problem+json": { schema: ref("Problem") } }
            : { "application/json": { schema: ref(form) } },
      },
    ],
  ]),
);

/** Every way in which a call may fail, in the form of its protocol. */
export function failures(form: ErrorForm): object {
  const response = (name: string) => ({ $ref: `#/components/responses/${form}${name}` });
  return {
    ...Object.fromEntries(statuses.map((status) => [status, response(String(status))])),
    default: response("Default"),
  };
}
