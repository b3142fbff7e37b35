import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { connect as connectTls } from "node:tls";
import { expect, onTestFinished, test, vi } from "vitest";
import { systemClockAndRandom } from "../system-clock.ts";
import {
  connectToOwner,
  createFollowerLinks,
  hostAndPort,
  OwnerRefusedError,
} from "./peer-links.ts";
import { peerTls } from "./peer-tls.ts";

const { clock } = systemClockAndRandom;
const secret = "a secret of all gateways";

async function startOwner({ isOwner = true } = {}) {
  const received: unknown[] = [];
  const left = vi.fn();
  const links = createFollowerLinks({
    tls: peerTls(secret).server,
    isOwner: () => isOwner,
    onMessage: (peer, _detourMs, message) => {
      if (message.type === "broken") throw new RangeError("unknown message broken");
      received.push(message);
      links.tell(peer, { type: "echo" });
    },
    onLeft: left,
    clock,
  });
  const port = await links.listen({ host: "127.0.0.1", port: 0 });
  onTestFinished(() => links.close());
  return { links, received, left, address: `127.0.0.1:${port}` };
}

function join(address: string, onMessage = vi.fn(), own = secret) {
  return connectToOwner(address, { tls: peerTls(own).client, onMessage, clock });
}

test("messages go both ways, and both sides notice the end", async () => {
  const { links, received, left, address } = await startOwner();
  const onMessage = vi.fn();
  const owner = await join(address, onMessage);

  owner.tell({ type: "one" });
  owner.tell({ type: "two" });
  await expect.poll(() => onMessage.mock.calls).toEqual([[{ type: "echo" }], [{ type: "echo" }]]);
  expect(received).toEqual([{ type: "one" }, { type: "two" }]);
  expect(links.count).toBe(1);
  expect(owner).toMatchObject({ gatewayCount: 2, roundTripMs: expect.any(Number) });

  links.dropAll();
  await owner.closed;
  await expect.poll(() => left.mock.calls.length).toBe(1);
});

test("a gateway with another secret gets no word, and knows that the owner lives", async () => {
  const { links, address } = await startOwner();

  await expect(join(address, undefined, "a secret of other gateways")).rejects.toThrow(
    OwnerRefusedError,
  );
  expect(links.count).toBe(0);
});

test("a gateway that does not own the slots says so, and may be replaced", async () => {
  const { address } = await startOwner({ isOwner: false });

  const failure = await join(address).catch((thrown: Error) => thrown);

  expect(failure).not.toBeInstanceOf(OwnerRefusedError);
  expect(failure).toMatchObject({ message: `${address}: this gateway does not own the slots` });
});

test("a message that cannot be used ends the connection", async () => {
  const { left, address } = await startOwner();
  const owner = await join(address);

  owner.tell({ type: "broken" });

  await owner.closed;
  expect(left).toHaveBeenCalledOnce();
});

test("a gateway that sends a message before the hello is cut off, and nothing comes of it", async () => {
  const { links, received, address } = await startOwner();
  const socket = connectTls({ ...peerTls(secret).client, ...hostAndPort(address) });
  socket.on("error", () => {});
  await once(socket, "secureConnect");

  socket.write('[{"type":"one"}]\n');
  await once(socket, "close");

  expect(received).toEqual([]);
  expect(links.count).toBe(0);
});

test("an address where nothing listens fails immediately, one that is silent within half a second", async () => {
  const silent = createServer((socket) => socket.resume());
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as AddressInfo;
  await expect(join(`127.0.0.1:${port}`)).rejects.toThrow("no answer within 500 ms");
  silent.close();
  await once(silent, "close");

  await expect(join(`127.0.0.1:${port}`)).rejects.toThrow("ECONNREFUSED");
});
