import http2 from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { manualClock } from "@tensorgate/core/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createConnection } from "./connection.ts";
import type { Http2Connection } from "./http2/contract.ts";
import { channelDefaults } from "./options.ts";

let address: string;
const server = http2.createServer();
const sockets = new Set<Socket>();
beforeAll(async () => {
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  for (const socket of sockets) socket.destroy();
  server.close();
});

describe.each(["own", "node"] as const)("over %s HTTP/2", (transport) => {
  function held() {
    const clock = manualClock();
    const credentials = { scheme: "http" as const, read: () => ({ tls: {}, headers: { a: "b" } }) };
    const made = createConnection({
      address,
      credentials,
      settings: { ...channelDefaults, transport },
      clock,
    });
    return { made, clock, [Symbol.dispose]: made.close };
  }

  /** Resolves when the server has answered a ping, and so has read what was sent before it. */
  async function settled(http2: Http2Connection): Promise<void> {
    await expect.poll(() => http2.isConnecting).toBe(false);
    await new Promise<void>((resolve) => http2.ping(() => resolve()));
  }

  test("calls share a connection", () => {
    using one = held();

    const first = one.made.open(one.clock.nowMs());
    const second = one.made.open(one.clock.nowMs());

    expect(second.http2).toBe(first.http2);
  });

  test("a connection that was idle for too long is replaced by the next call", async () => {
    using one = held();
    const { http2: opened } = one.made.open(one.clock.nowMs());
    await settled(opened);

    one.clock.advance(500_000);
    expect(one.made.open(one.clock.nowMs()).http2).toBe(opened);
    one.made.released(opened);
    one.made.released(opened);
    one.clock.advance(119_999);
    expect(one.made.open(one.clock.nowMs()).http2).toBe(opened);
    one.made.released(opened);
    one.clock.advance(120_000);

    expect(one.made.open(one.clock.nowMs()).http2).not.toBe(opened);
  });

  test("a connection that gives no sign of life is ended", async () => {
    using one = held();
    const { http2: opened } = one.made.open(one.clock.nowMs());
    await settled(opened);
    // Nothing comes from there any more, as from a machine that lost its power.
    for (const socket of sockets) socket.pause();

    one.made.suspect(opened, opened.receivedBytes);
    one.clock.advance(1_000);

    expect(opened.isClosed).toBe(true);
    expect(one.made.open(one.clock.nowMs()).http2).not.toBe(opened);
  });

  test("one that answers, or that answered another call meanwhile, is kept", async () => {
    using one = held();
    const { http2: opened } = one.made.open(one.clock.nowMs());
    await settled(opened);

    one.made.suspect(opened, opened.receivedBytes - 1);
    expect(one.clock.pendingTimersMs()).toEqual([]);
    one.made.suspect(opened, opened.receivedBytes);
    expect(one.clock.pendingTimersMs()).toEqual([1_000]);
    await new Promise<void>((resolve) => opened.ping(() => resolve()));
    one.clock.advance(1_000);

    expect(opened.isClosed).toBe(false);
  });

  test("a new connection is pinged, only once, to learn how far it goes", async () => {
    let pingCount = 0;
    server.once("session", (session) => {
      session.on("ping", () => {
        pingCount += 1;
      });
    });
    using one = held();
    const { http2: opened } = one.made.open(one.clock.nowMs());

    await expect.poll(() => one.made.roundTrip.ms).toBeGreaterThan(0);
    for (let count = 0; count < 10; count += 1) {
      one.made.open(one.clock.nowMs());
      one.made.released(opened);
      one.clock.advance(10_000);
    }
    await new Promise<void>((resolve) => opened.ping(() => resolve()));

    expect(pingCount).toBe(2);
  });
});
