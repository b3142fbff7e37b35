import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import { fileURLToPath } from "node:url";
import { manualClock } from "@tensorgate/core/testing";
import { createGateway, systemClockAndRandom } from "@tensorgate/gateway";
import { expect, test } from "vitest";

const script = fileURLToPath(new URL("../support/many-connections.mjs", import.meta.url));
const descriptorLimit = Number(
  execFileSync("sh", ["-c", "ulimit -Hn"], { encoding: "utf8" }).replace("unlimited\n", "1e9"),
);
/** A busy machine does not accept hundreds of connections in the second that is the default. */
const patience = { timeout: 15_000 };
const addressCount = 40;
const perAddress = 250;
const canListenAnywhere = process.platform === "linux";

function silentGateway() {
  const clock = manualClock();
  const gateway = createGateway(
    {
      listen: { port: 0 },
      models: [{ name: "m" }],
      pools: [{ model: "m", region: "r", replicas: ["127.0.0.1:1"] }],
    },
    { clockAndRandom: { ...systemClockAndRandom, clock } },
  );
  return {
    gateway,
    clock,
    [Symbol.asyncDispose]: async () => {
      const closed = gateway.close(0);
      clock.advance(1);
      await closed;
    },
  };
}

test.skipIf(descriptorLimit < 11_000 || !canListenAnywhere)(
  "10,000 connections that say nothing are held, others are served, and all end when the header time is over (skipped where a process may not open 11,000 files)",
  async () => {
    await using silent = silentGateway();
    await silent.gateway.listen();
    const heapBefore = process.memoryUsage().rss;
    const child = fork(script, [String(silent.gateway.port), String(perAddress)], { execArgv: [] });
    try {
      for (let address = 1; address <= addressCount; address += 1) {
        child.send("open");
        // One address at a time: what the listener's backlog of 511 does not hold is tried again after seconds.
        const expected = address * perAddress;
        await expect.poll(() => silent.gateway.load().connections, patience).toBe(expected);
      }

      const response = await fetch(`${silent.gateway.url}/livez`);
      expect(response.status).toBe(200);
      expect(process.memoryUsage().rss - heapBefore).toBeLessThan(300 * 2 ** 20);

      const closed = once(child, "message");
      silent.clock.advance(10_000);
      await closed;
      await expect.poll(() => silent.gateway.load().connections, patience).toBeLessThan(10);
    } finally {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
  },
);

test("the 257th connection of one address is closed immediately, another address is not", async () => {
  await using silent = silentGateway();
  await silent.gateway.listen();
  const connect = async (localAddress: string) => {
    const socket = net.connect({ port: silent.gateway.port, host: "127.0.0.1", localAddress });
    socket.on("error", () => {});
    socket.resume();
    await once(socket, "connect");
    return socket;
  };
  const sockets = await Promise.all(Array.from({ length: 256 }, () => connect("127.0.0.1")));
  await expect.poll(() => silent.gateway.load().connections, patience).toBe(256);

  const oneMore = await connect("127.0.0.1");
  await new Promise((resolve) => oneMore.once("close", resolve));

  if (canListenAnywhere) {
    sockets.push(await connect("127.0.0.2"));
    await expect.poll(() => silent.gateway.load().connections, patience).toBe(257);
  }
  sockets[0]?.destroy();
  await expect.poll(() => silent.gateway.load().connections, patience).toBe(sockets.length - 1);
  sockets.push(await connect("127.0.0.1"));
  await expect.poll(() => silent.gateway.load().connections, patience).toBe(sockets.length - 1);
  for (const socket of sockets) socket.destroy();
});
