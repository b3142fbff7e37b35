import type { DeviceReport, SwapProgress, SwapReport } from "@tensorgate/gateway";
import { CommandError } from "../command-error.ts";

/** Calls the device routes of a gateway's admin port. Every failure is a CommandError. */
export interface AdminClient {
  devices(): Promise<readonly DeviceReport[]>;
  /** Starts a swap. @param request - body for the admin port. @returns the id of the swap */
  swap(request: object): Promise<string>;
  swaps(): Promise<readonly SwapReport[]>;
  report(swapId: string): Promise<SwapReport>;
  abort(swapId: string): Promise<SwapReport>;
  /** Yields every step from the first one, until the swap ends. */
  progress(swapId: string): AsyncIterable<SwapProgress>;
}

/** Creates a client of the admin port. @param url - such as http://127.0.0.1:9090 */
export function createAdminClient(url: string): AdminClient {
  async function request(path: string, body?: object): Promise<Response> {
    const posted = body && {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    };
    let response: Response;
    try {
      response = await fetch(new URL(path, url), { redirect: "error", ...posted });
    } catch {
      throw new CommandError(
        `no gateway answers at ${url}; set --admin-url to its admin port (--admin-port of serve)`,
      );
    }
    if (response.ok) return response;
    throw new CommandError(await errorTextOf(response));
  }

  async function errorTextOf(response: Response): Promise<string> {
    const body: unknown = await response.json().catch(() => undefined);
    const hasError = typeof body === "object" && body !== null && "error" in body;
    if (hasError && typeof body.error === "string") return body.error;
    return `the server at ${url} is not a gateway with devices (HTTP ${response.status})`;
  }

  // The admin port uses the same types: gateway and command have the same version.
  const json = async <Answer>(path: string, body?: object) => {
    const response = await request(path, body);
    try {
      return (await response.json()) as Answer;
    } catch {
      throw new CommandError(`the server at ${url} is not a gateway with devices`);
    }
  };
  const swapPath = (id: string) => `/devices/swaps/${encodeURIComponent(id)}`;

  return {
    devices: async () => (await json<{ devices: readonly DeviceReport[] }>("/devices")).devices,
    swap: async (swapRequest) => (await json<{ id: string }>("/devices/swap", swapRequest)).id,
    swaps: async () => (await json<{ swaps: readonly SwapReport[] }>("/devices/swaps")).swaps,
    report: (id) => json(swapPath(id)),
    abort: (id) => json(`${swapPath(id)}/abort`, {}),
    progress: async function* (id) {
      const { body } = await request(`${swapPath(id)}/progress`);
      if (!body) return;
      let rest = "";
      try {
        for await (const text of body.pipeThrough(new TextDecoderStream())) {
          const lines = `${rest}${text}`.split("\n");
          rest = lines.pop() ?? "";
          for (const line of lines) if (line !== "") yield JSON.parse(line) as SwapProgress;
        }
      } catch {
        throw new CommandError(
          `the connection to the gateway was lost; run swap ${id} again when it is back, finished devices are kept`,
        );
      }
    },
  };
}
