/** Longest that a server may take to show what it is, in milliseconds. */
const maxWaitMs = 2_000;

/**
 * Describes the server at an address that does not speak gRPC, by what it answers to a request for metrics.
 *
 * @param address - `host:port`
 * @returns undefined if it does not speak HTTP either
 */
export async function describedHttpServer(address: string): Promise<string | undefined> {
  try {
    const response = await fetch(`http://${address}/metrics`, {
      signal: AbortSignal.timeout(maxWaitMs),
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
