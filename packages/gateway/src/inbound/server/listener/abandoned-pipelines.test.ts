import { once } from "node:events";
import type http from "node:http";
import net from "node:net";
import { manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { listenDefaults, requestDefaults } from "../../options.ts";
import { createListener } from "./listener.ts";

const get = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

test("requests whose client left before it had its answers to earlier ones are not in flight for ever", async () => {
  let isHeld = true;
  let beganCount = 0;
  let socket: net.Socket | undefined;
  const server = createListener({
    listen: { ...listenDefaults, port: 0 },
    requests: requestDefaults,
    budget: { add: () => {}, hasRoom: () => true },
    onRequest: (request, response) => {
      beganCount += 1;
      if (isHeld) return;
      socket = request.socket as net.Socket;
      (response as http.ServerResponse).end("ok");
    },
    onCertificates: () => {},
    onRejected: () => {},
    clock: manualClock(),
  });
  const { port } = await server.listen();

  // Each sends 10 requests at once, of which none is answered, and leaves.
  for (let caller = 0; caller < 5; caller += 1) {
    const leaver = net.connect(port, "127.0.0.1");
    leaver.on("error", () => {});
    leaver.write(get.repeat(10));
    await expect.poll(() => beganCount).toBe(10 * (caller + 1));
    leaver.resetAndDestroy();
  }
  await expect.poll(() => server.connectionCount).toBe(0);
  isHeld = false;

  const client = net.connect(port, "127.0.0.1");
  let pauseCount = 0;
  client.write(get);
  await once(client, "data");
  socket?.on("pause", () => {
    pauseCount += 1;
  });
  for (let index = 0; index < 5; index += 1) {
    client.write(get);
    await once(client, "data");
  }
  client.destroy();
  await server.close(0);
  // Nothing else is under way: no connection has to wait.
  expect(pauseCount).toBe(0);
});
