import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { StatusService } from "@tensorgate/proto/tensorgate/v1/status";
import { expect } from "vitest";

/** The pools of a gateway as its status tells them, by region. */
export async function poolStatus(url: string, region = "westeurope") {
  const transport = createConnectTransport({ baseUrl: url, httpVersion: "1.1" });
  const { status } = await createClient(StatusService, transport).getStatus({});
  return status?.regions.find(({ name }) => name === region)?.pools[0];
}

/** Resolves when so many calls wait in a region. */
export async function untilWaiting(url: string, count: number, region?: string): Promise<void> {
  const waiting = async () => (await poolStatus(url, region))?.waiting;
  await expect.poll(waiting, { interval: 5, timeout: 10_000 }).toBe(count);
}
