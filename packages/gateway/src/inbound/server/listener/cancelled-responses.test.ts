import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import { manualClock } from "@tensorgate/core/testing";
import { expect, test, vi } from "vitest";
import { listenDefaults, requestDefaults } from "../../options.ts";
import type { NodeResponse } from "../node-http.ts";
import { createListener } from "./listener.ts";

test("a connection is not used up by responses that are cancelled while they are sent", async () => {
  const body = Buffer.alloc(200_000);
  const listener = createListener({
    listen: { ...listenDefaults, port: 0 },
    requests: requestDefaults,
    onRequest: (_request, response) => void response.end(body),
    budget: { add: () => {}, hasRoom: () => true },
    onCertificates: () => {},
    onRejected: () => {},
    clock: manualClock(),
  });
  const { port } = await listener.listen();
  // Nothing of a response fits the window, as where a client reads something else first.
  const session = http2.connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 0 } });
  const cancelOne = async () => {
    const stream = session.request({ ":path": "/" }).on("error", () => {});
    await once(stream, "response");
    stream.close(http2.constants.NGHTTP2_CANCEL);
    if (!stream.closed) await once(stream, "close");
    return stream.rstCode;
  };

  // Node's own limit is 10 MB.
  const codes = await Promise.all(Array.from({ length: 90 }, cancelOne));
  const [again] = await once(session.request({ ":path": "/" }), "response");

  expect(new Set(codes)).toEqual(new Set([http2.constants.NGHTTP2_CANCEL]));
  expect(again[":status"]).toBe(200);
  session.destroy();
  await listener.close(0);
});

test.each(["since version 24", "before"])(
  "every response of a connection that is reset is closed once, as Node closes them %s",
  async (version) => {
    const { prototype } = http.OutgoingMessage;
    using destroy = vi.spyOn(prototype, "destroy");
    // Node closed no response that waited for an earlier one.
    if (version === "before") {
      destroy.mockImplementation(function (this: http.OutgoingMessage) {
        this.destroyed = true;
        return this;
      });
    }
    const closedCounts = new Map<NodeResponse, number>();
    const listener = createListener({
      listen: { ...listenDefaults, port: 0 },
      requests: requestDefaults,
      onRequest: (_request, response) => {
        closedCounts.set(response, 0);
        response.on("close", () => {
          closedCounts.set(response, (closedCounts.get(response) ?? 0) + 1);
        });
        // The last one is answered, and waits for the others.
        if (closedCounts.size === 3) response.end("answer");
      },
      budget: { add: () => {}, hasRoom: () => true },
      onCertificates: () => {},
      onRejected: () => {},
      clock: manualClock(),
    });
    const { port } = await listener.listen();
    const socket = net.connect(port, "127.0.0.1");
    socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n".repeat(3));
    await vi.waitFor(() => expect(closedCounts.size).toBe(3), { interval: 1 });

    socket.resetAndDestroy();
    await vi.waitFor(() => expect(Math.min(...closedCounts.values())).toBe(1), { interval: 1 });
    await new Promise((resolve) => setImmediate(resolve));

    expect([...closedCounts.values()]).toEqual([1, 1, 1]);
    expect([...closedCounts.keys()].every(({ destroyed }) => destroyed)).toBe(true);
    await listener.close(0);
  },
);
