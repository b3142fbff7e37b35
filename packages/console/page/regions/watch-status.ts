import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { type GatewayStatus, StatusService } from "@tensorgate/proto/tensorgate/v1/status";
import { keyHeaders } from "../gateway.ts";

/** Waits between two tries to reach a gateway that is away, in milliseconds. */
const retryMs = 1_000;

/** Tells how the gateway is doing, every second, for as long as the page lives; undefined while it is away. */
export async function watchStatus(
  onStatus: (status: GatewayStatus | undefined) => void,
): Promise<never> {
  const client = createClient(StatusService, createConnectTransport({ baseUrl: location.origin }));
  for (;;) {
    try {
      for await (const { status } of client.watchStatus({}, { headers: keyHeaders() })) {
        onStatus(status);
      }
    } catch {
      onStatus(undefined);
    }
    await new Promise((resolve) => {
      setTimeout(resolve, retryMs);
    });
  }
}
