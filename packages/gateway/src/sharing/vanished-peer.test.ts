import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { manualClock } from "@tensorgate/core/testing";
import { expect, onTestFinished, test, vi } from "vitest";
import { connectToOwner, createFollowerLinks } from "./peer-links.ts";
import { peerTls } from "./peer-tls.ts";

const tls = peerTls("a secret of all gateways");

/** Intervals of pings, and at which the owner looks for silent followers, in milliseconds. */
const [pingMs, checkMs] = [20, 100];

/** A network that can lose every byte, in both directions, without a word: no FIN, no RST, as when a machine is gone. */
async function network(port: number) {
  const sockets: Socket[] = [];
  let isCut = false;
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    sockets.push(near, far);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on("data", (piece) => void (isCut || to.write(piece)));
      from.on("error", () => {});
      from.on("close", () => void (isCut || to.destroy()));
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut: () => {
      isCut = true;
    },
    /** Holds what both sides send, as a process that is stopped does, until the returned function is called. */
    pause: () => {
      for (const socket of sockets) socket.pause();
      return () => {
        for (const socket of sockets) socket.resume();
      };
    },
  };
}

/** An owner and a follower with a network between them, each with a clock that the test moves. */
async function gateways() {
  const ownersClock = manualClock();
  const left = vi.fn();
  const links = createFollowerLinks({
    tls: tls.server,
    isOwner: () => true,
    onMessage: (peer, _detourMs, message) => links.tell(peer, message),
    onLeft: left,
    clock: ownersClock,
  });
  const between = await network(await links.listen({ host: "127.0.0.1", port: 0 }));
  onTestFinished(() => links.close());
  const clock = manualClock();
  const onMessage = vi.fn();
  const owner = await connectToOwner(between.address, { tls: tls.client, onMessage, clock });
  onTestFinished(() => owner.close());
  let ended: string | undefined;
  void owner.closed.then((because) => {
    ended = because;
  });
  /** Waits until everything that was sent before has been answered. */
  const settle = async () => {
    const count = onMessage.mock.calls.length;
    owner.tell({ type: "echo" });
    await vi.waitFor(() => expect(onMessage.mock.calls.length).toBe(count + 1), { interval: 1 });
  };
  return { links, left, between, clock, ownersClock, owner, settle, ended: () => ended };
}

test("an owner that is gone without a word is lost after four unanswered pings", async () => {
  const { between, clock, owner, settle, ended } = await gateways();
  for (let count = 0; count < 20; count += 1) {
    clock.advance(pingMs);
    await settle();
  }
  expect(ended()).toBeUndefined();

  between.cut();
  clock.advance(4 * pingMs);
  await new Promise((resolve) => setImmediate(resolve));
  expect(ended()).toBeUndefined();
  clock.advance(pingMs);

  expect(await owner.closed).toBe("the owner does not answer");
});

test("an owner that pauses for less is not lost, and neither are its messages", async () => {
  const { between, clock, settle, ended } = await gateways();

  for (let count = 0; count < 5; count += 1) {
    const resume = between.pause();
    clock.advance(4 * pingMs);
    resume();
    await settle();
  }

  expect(ended()).toBeUndefined();
});

test("a follower that is gone without a word leaves once it was silent for five checks", async () => {
  const { links, left, between, ownersClock, settle } = await gateways();
  await settle();
  expect(links.count).toBe(1);

  between.cut();
  ownersClock.advance(5 * checkMs);
  await new Promise((resolve) => setImmediate(resolve));
  expect(left).not.toHaveBeenCalled();
  ownersClock.advance(checkMs);

  await vi.waitFor(() => expect(left).toHaveBeenCalledOnce(), { interval: 1 });
  expect(links.count).toBe(0);
});

test("a follower that says something between the checks stays", async () => {
  const { links, left, ownersClock, settle } = await gateways();

  for (let count = 0; count < 10; count += 1) {
    ownersClock.advance(4 * checkMs);
    await settle();
  }

  expect(left).not.toHaveBeenCalled();
  expect(links.count).toBe(1);
});
