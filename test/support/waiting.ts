import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { StatusService } from "@tensorgate/proto/tensorgate/v1/status";
import { expect } from "vitest";
import type { FakeReplica } from "./fake-replica.ts";

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

/**
 * Sends calls until one of them waits: how many a replica is given before depends on how fast this machine is.
 *
 * @returns what they will be answered
 */
export async function fillSlots(
  url: string,
  replica: FakeReplica,
  { send, region }: { readonly send: () => Promise<Response>; readonly region?: string },
) {
  const waiting = async () => (await poolStatus(url, region))?.waiting ?? 0;
  const before = replica.predictCount();
  const answers: Promise<Response>[] = [];
  while ((await waiting()) === 0) {
    answers.push(send());
    const placed = async () => replica.predictCount() - before + (await waiting());
    await expect.poll(placed, { interval: 5, timeout: 10_000 }).toBe(answers.length);
  }
  return { answers };
}
