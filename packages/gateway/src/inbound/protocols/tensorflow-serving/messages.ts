import { type ModelSpec, UpstreamAnsweredError } from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import type { HttpAnswer, PathParams } from "../http-handler.ts";

/** @throws UpstreamAnsweredError in TensorFlow Serving's words if the version is no int64 */
export function modelSpecFrom({ model = "", version, versionLabel }: PathParams): ModelSpec {
  if (version !== undefined) {
    if (!/^\d+$/.test(version) || BigInt(version) > maxInt64) {
      throw new UpstreamAnsweredError(
        `Malformed request: version ${version}`,
        grpcCode.INVALID_ARGUMENT,
      );
    }
    return { name: model, version: BigInt(version) };
  }
  return { name: model, ...(versionLabel !== undefined && { versionLabel }) };
}

const maxInt64 = 2n ** 63n - 1n;

export function jsonAnswer(body: string): HttpAnswer {
  return { contentType: "application/json", body };
}
