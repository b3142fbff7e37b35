import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { type GatewayStatus, StatusService } from "@tensorgate/proto/tensorgate/v1/status";
import { keyHeaders } from "../gateway.ts";

/** Wait before reconnecting to a gateway, in milliseconds. */
const retryMs = 1_000;

/** Reports the status of the gateway every second; undefined while it does not respond. */
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
