import { once } from "node:events";
import http2 from "node:http2";
import { manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { listenDefaults, requestDefaults } from "../../options.ts";
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
