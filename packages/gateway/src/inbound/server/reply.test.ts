import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { Writable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { requestDefaults } from "../options.ts";
import { createSlowReaders, sendReply } from "./reply.ts";

test.each(["", "star", "größe", "\u0080\u00ff", "尺寸 🙂", "a".repeat(40_000), "é".repeat(40_000)])(
  "a text is sent as UTF-8, whatever its characters: %.10s",
  async (body) => {
    const server = http.createServer((_request, response) => {
      sendReply(response, { status: 200, headers: {}, body });
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as AddressInfo;

    const response = await fetch(`http://127.0.0.1:${port}`, { headers: { connection: "close" } });
    const bytes = Buffer.from(await response.arrayBuffer());
    server.close();

    expect(bytes.equals(Buffer.from(body, "utf8"))).toBe(true);
    expect(response.headers.get("content-length")).toBe(String(bytes.byteLength));
  },
);

/** @returns a response over HTTP/1.1, and what was written of it so far */
function responseInMemory() {
  let text = "";
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      text += chunk.toString("latin1");
      done();
    },
  });
  const socket = sink as unknown as Socket;
  const response = new http.ServerResponse(new http.IncomingMessage(socket));
  response.assignSocket(socket);
  return { response, written: () => text };
}

test.each([
  ["short", 3],
  ["long", 40_000],
])("%s answers over HTTP/1.1 leave when the turn of the event loop ends", async (_, byteCount) => {
  const body = "y".repeat(byteCount);
  const answers = [responseInMemory(), responseInMemory()];

  for (const { response } of answers) sendReply(response, { status: 200, headers: {}, body });
  await Promise.resolve();
  expect(answers.map(({ written }) => written())).toEqual(["", ""]);

  await setImmediate();
  for (const { written } of answers) {
    const [head, sent] = written().split("\r\n\r\n");
    expect(head).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    expect(sent).toBe(body);
  }
});

test.each([{}, { vary: "origin" }])(
  "the first answer holds, with headers set before: %j",
  async (set) => {
    const { response, written } = responseInMemory();
    for (const [name, value] of Object.entries(set)) response.setHeader(name, value);

    sendReply(response, { status: 200, headers: {}, body: "one" });
    expect(response.headersSent).toBe(true);
    sendReply(response, { status: 500, headers: {}, body: "second" });
    await setImmediate();

    expect(written()).toMatch(
      /^HTTP\/1.1 200 OK\r\n(?:.*\r\n)*content-length: 3\r\n(?:.*\r\n)*\r\none$/i,
    );
  },
);

test("a short answer is dropped if its client disconnects in the same turn", async () => {
  const { response, written } = responseInMemory();
  const errors: unknown[] = [];
  response.on("error", (error) => errors.push(error));

  sendReply(response, { status: 200, headers: {}, body: "yes" });
  response.destroy();
  await setImmediate();
  await setImmediate();

  expect(written()).toBe("");
  expect(errors).toEqual([]);
});

/** Sends a short answer over HTTP/2 to a client that takes so many bytes of it. */
async function answered(windowBytes: number) {
  const clock = manualClock();
  const added: number[] = [];
  let cutCount = 0;
  const watchResponse = createSlowReaders({
    requests: requestDefaults,
    budget: { add: (byteCount) => added.push(byteCount), hasRoom: () => true },
    clock,
  });
  const server = http2.createServer((_request, response) => {
    watchResponse(response, () => {
      cutCount += 1;
    });
    sendReply(response, { status: 200, headers: {}, body: "a".repeat(10_000) });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const client = http2.connect(`http://127.0.0.1:${port}`, {
    settings: { initialWindowSize: windowBytes },
  });
  const stream = client.request({ ":path": "/" });
  await once(stream, "response");
  return {
    clock,
    added,
    stream,
    cutCount: () => cutCount,
    [Symbol.asyncDispose]: async () => {
      client.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test("a short answer that the client reads is not counted", async () => {
  await using call = await answered(65_535);

  call.stream.resume();
  await once(call.stream, "close");

  expect(call.added).toEqual([]);
});

test("a short answer that waits is counted, and ended if the client reads nothing of it", async () => {
  await using call = await answered(0);

  await expect.poll(() => call.added).toEqual([10_000]);

  for (let second = 0; second < 10; second += 1) call.clock.advance(1_000);
  expect(call.cutCount()).toBe(1);
});
