import net from "node:net";
import { expect, test, vi } from "vitest";
import { startAdminServer } from "./admin-server.ts";

test("a connection that cannot be accepted does not end the process", async () => {
  const createServer = vi.spyOn(net, "createServer");
  const server = await startAdminServer({ host: "127.0.0.1", port: 0 }, []);
  const created: unknown = createServer.mock.results[0]?.value;
  createServer.mockRestore();

  // Node emits this for each of them, and throws it if nothing listens.
  for (let count = 0; count < 2; count += 1) {
    (created as net.Server).emit("error", new Error("accept ENFILE"));
  }

  expect((await fetch(`${server.url}/none`)).status).toBe(404);
  await server.close();
});
