import type http2 from "node:http2";
import { aCall, manualClock } from "@tensorgate/core/testing";
import { describe, expect, test } from "vitest";
import { startFakeReplica } from "../../../../../test/support/fake-replica.ts";
import { channelDefaults } from "./options.ts";
import { createUnaryChannel } from "./unary-channel.ts";

// A replica that reads nothing of the request: its window is closed after 64 KiB.

type Answer = (stream: http2.ServerHttp2Stream) => void;

const picture = new Uint8Array(1_000_000);
const grpc = { ":status": 200, "content-type": "application/grpc" };
const refused = { "grpc-status": "3", "grpc-message": "refused by policy" };
const message = Buffer.of(0, 0, 0, 0, 2, 7, 8);

describe.each(["own", "node"] as const)("over %s HTTP/2", (transport) => {
  async function answeredEarly(answer: Answer) {
    const streams: http2.ServerHttp2Stream[] = [];
    const server = await startFakeReplica({
      intercept: (stream) => {
        streams.push(stream.pause());
        answer(stream);
        return true;
      },
    });
    const credentials = { scheme: "http" as const, read: () => ({ tls: {}, headers: {} }) };
    const parts = {
      address: server.address,
      settings: { ...channelDefaults, transport },
      clock: manualClock(),
    };
    const channel = createUnaryChannel({ ...parts, credentials });
    return {
      streams,
      ask: (bytes = picture, call = aCall()) =>
        channel.unary("/Predict", [bytes], call).catch((thrown: unknown) => thrown as Error),
      [Symbol.asyncDispose]: async () => {
        await channel.close();
        await server[Symbol.asyncDispose]();
      },
    };
  }

  const inTrailers =
    (trailers: http2.OutgoingHttpHeaders, body = Buffer.alloc(0)): Answer =>
    (stream) => {
      stream.respond(grpc, { waitForTrailers: true });
      stream.on("wantTrailers", () => {
        stream.sendTrailers(trailers);
        stream.emit("answered");
      });
      stream.end(body);
    };

  const thenReset =
    (answer: Answer, code: number): Answer =>
    (stream) => {
      stream.once("answered", () => setImmediate(() => stream.close(code)));
      answer(stream);
    };

  const withHeaders: Answer = (stream) => {
    stream.respond({ ...grpc, ...refused }, { endStream: true });
    stream.emit("answered");
  };
  const withHeadersAndData: Answer = (stream) => {
    stream.respond({ ...grpc, ...refused });
    stream.end();
  };

  test.each<{ form: string; answer: Answer }>([
    { form: "with the headers", answer: withHeaders },
    { form: "with the headers, then RST_STREAM(NO_ERROR)", answer: thenReset(withHeaders, 0) },
    { form: "with the headers, then RST_STREAM(CANCEL)", answer: thenReset(withHeaders, 8) },
    { form: "with the headers, and the end with no data", answer: withHeadersAndData },
    { form: "in trailers", answer: inTrailers(refused) },
    { form: "in trailers, then RST_STREAM(NO_ERROR)", answer: thenReset(inTrailers(refused), 0) },
    { form: "in trailers after a message", answer: inTrailers(refused, message) },
  ])("a status that comes $form ends the call before the upload has ended", async ({ answer }) => {
    await using early = await answeredEarly(answer);

    expect(await early.ask()).toMatchObject({
      reason: "upstream-answered",
      grpcCode: 3,
      message: "refused by policy",
    });
  });

  test.each<{ form: string; answer: Answer }>([
    { form: "alone", answer: inTrailers({ "grpc-status": "0" }, message) },
    {
      form: "with RST_STREAM(NO_ERROR)",
      answer: thenReset(inTrailers({ "grpc-status": "0" }, message), 0),
    },
  ])("a reply $form is taken before the upload has ended", async ({ answer }) => {
    await using early = await answeredEarly(answer);

    expect(await early.ask()).toMatchObject({ message: Buffer.of(7, 8) });
  });

  test.each([413, 414, 431])(
    "HTTP status %i says that the request is too large, before its page has ended",
    async (status) => {
      await using early = await answeredEarly((stream) => {
        stream.respond({ ":status": status, "content-type": "text/html" });
        stream.write("<html>");
      });

      expect(await early.ask()).toMatchObject({ reason: "too-large" });
    },
  );

  test("a reply that ends without a status fails the call before the upload has ended", async () => {
    await using early = await answeredEarly((stream) => {
      stream.respond(grpc);
      stream.end();
    });

    expect(await early.ask()).toMatchObject({ reason: "upstream-failed" });
  });

  test("many calls that are answered early free their streams; the connection goes on", async () => {
    await using early = await answeredEarly(withHeaders);

    for (let round = 0; round < 3; round += 1) {
      const answers = await Promise.all(Array.from({ length: 40 }, () => early.ask()));
      expect(answers).toHaveLength(40);
      for (const answer of answers) expect(answer).toMatchObject({ reason: "upstream-answered" });
    }

    await Promise.all(
      early.streams.map(
        (stream) => stream.closed || new Promise((end) => stream.once("close", end)),
      ),
    );
    expect(early.streams).toHaveLength(120);
    expect(new Set(early.streams.map(({ session }) => session).filter(Boolean)).size).toBeLessThan(
      2,
    );
  });

  test.each([
    // Node does not say what of it was handed to the socket.
    {
      name: "a reply to part of the request",
      byteCount: 1_000_000,
      mayBeRead: transport === "node",
    },
    { name: "a reply to all of it", byteCount: 1_000, mayBeRead: false },
  ])("$name says whether its bytes may still be read", async ({ byteCount, mayBeRead }) => {
    await using replica = await answeredEarly((stream) => {
      stream
        .resume()
        .once("data", () => inTrailers({ "grpc-status": "0" }, message)(stream.pause()));
    });
    const requestBytes = { mayBeRead: false };

    await replica.ask(new Uint8Array(byteCount), aCall({ requestBytes }));

    expect(requestBytes).toEqual({ mayBeRead });
  });
});
