import { cutText } from "@tensorgate/core";

/** Longest that a server may take to show what it is, in milliseconds. */
const maxWaitMs = 2_000;

/**
 * Describes the server at an address that does not speak gRPC, by what it answers to a request for metrics.
 *
 * @param address - `host:port`
 * @returns undefined if it does not speak HTTP either
 */
export async function describedHttpServer(address: string): Promise<string | undefined> {
  const signal = AbortSignal.timeout(maxWaitMs);
  const inference = await describedInferenceServer(address, signal);
  if (inference !== undefined) return inference;
  try {
    const response = await fetch(`http://${address}/metrics`, {
      signal,
      redirect: "manual",
    });
    const isMetrics = response.ok && (await response.text()).includes("# TYPE ");
    return isMetrics
      ? "a metrics port, not gRPC; set the port that serves the model"
      : "an HTTP port, not gRPC; TensorFlow Serving's gRPC port is usually 8500, beside 8501 for REST";
  } catch {
    return undefined;
  }
}

/** The usual gRPC ports of servers of the Open Inference Protocol, by the names that they give themselves. */
const grpcPorts: readonly (readonly [name: RegExp, port: string])[] = [
  [/triton/i, "8001, beside 8000 for HTTP"],
  [/mlserver|kserve/i, "8081, beside 8080 for HTTP"],
  [/openvino/i, "the one of --port, beside that of --rest_port"],
];

/** @returns undefined if the server does not answer as the Open Inference Protocol asks over HTTP */
async function describedInferenceServer(
  address: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const response = await fetch(`http://${address}/v2`, {
      signal,
      redirect: "manual",
    });
    const { name, version, extensions } = (await response.json()) as Record<string, unknown>;
    if (typeof name !== "string" || !Array.isArray(extensions)) return undefined;
    const title = cutText(`${name} ${typeof version === "string" ? version : ""}`.trim(), 80);
    const port = grpcPorts.find(([pattern]) => pattern.test(name))?.[1] ?? "8001";
    return `the HTTP port of ${title}; the gateway calls its gRPC port, which is usually ${port}`;
  } catch {
    return undefined;
  }
}
