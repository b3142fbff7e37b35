import { readFileSync } from "node:fs";
import http2 from "node:http2";
import net, { type AddressInfo, type LookupFunction } from "node:net";
import tls from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  hasOpenssl,
  type TestCertificates,
  testCertificates,
} from "../../../../../../test/support/certificates.ts";
import {
  http2Implementations,
  openCalling,
  openScripted,
} from "../../../../../../test/support/http2-calls.ts";
import {
  ack,
  data,
  endHeaders,
  endStream,
  goaway,
  grpcOk,
  headers,
  ping,
  reset,
  settings,
  status200,
  windowUpdate,
} from "../../../../../../test/support/http2-frames.ts";
import type { RawPeer } from "../../../../../../test/support/raw-http2-server.ts";

// How streams and connections begin and end.

const end = endHeaders | endStream;
const answer = (peer: RawPeer, id: number) => peer.send(headers(id, status200, end));

async function listening(server: net.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

const loopback: LookupFunction = (_name, { all }, found) => {
  if (all) found(null, [{ address: "127.0.0.1", family: 4 }]);
  else found(null, "127.0.0.1", 4);
};

let certificates: TestCertificates | undefined;
beforeAll(() => {
  if (hasOpenssl) certificates = testCertificates();
});
afterAll(() => certificates?.[Symbol.dispose]());

describe.each(http2Implementations)("$name", ({ name: implementation, open }) => {
  test("a connection says what it is", async () => {
    await using connection = await openScripted(open);
    const { http2: client, peer } = connection;
    const call = connection.call();
    await connection.connected;
    expect(client.isConnecting).toBe(false);
    expect(client.isClosed).toBe(false);
    await peer.requestBody(1);
    answer(peer, 1);
    await call.ended;
    expect(call.stream.id).toBe(1);
    expect(call.stream.resetCode).toBe(0);
    const before = client.receivedBytes;
    expect(before).toBeGreaterThan(0);
    const again = connection.call();
    await peer.requestBody(3);
    peer.send(headers(3, status200), data(3, Buffer.alloc(1_000)), headers(3, grpcOk, end));
    await again.ended;
    expect(client.receivedBytes - before).toBeGreaterThanOrEqual(1_000 + 3 * 9);
    client.destroy(new Error("over"));
    await connection.closed;
    expect(client).toMatchObject({ isClosed: true, receivedBytes: 0 });
  });

  test("calls of a connection that is being opened are sent when it is open", async () => {
    const server = http2.createServer((_request, response) => response.end("x"));
    const port = await listening(server);
    await using connection = openCalling(open, { authority: `127.0.0.1:${port}` });
    expect(connection.http2.isConnecting).toBe(true);
    const calls = [1, 2, 3].map(() => connection.call({ body: [Buffer.alloc(10)] }));
    expect(calls.map(({ stream }) => stream.mayReadBody)).toEqual([true, true, true]);
    for (const call of calls) expect(await call.ended).toBeUndefined();
    server.close();
  });

  test("a name is resolved by lookup, and requests keep it", async () => {
    const names: string[] = [];
    const authorities: unknown[] = [];
    const server = http2.createServer();
    server.on("stream", (stream, received) => {
      authorities.push(received[":authority"]);
      stream.respond({ ":status": 200 }, { endStream: true });
    });
    const port = await listening(server);
    await using connection = openCalling(open, {
      authority: `replica.invalid:${port}`,
      lookup: (name, { all }, found) => {
        names.push(name);
        if (all) found(null, [{ address: "127.0.0.1", family: 4 }]);
        else found(null, "127.0.0.1", 4);
      },
    });
    expect(await connection.call().ended).toBeUndefined();
    expect(names).toEqual(["replica.invalid"]);
    expect(authorities).toEqual([`replica.invalid:${port}`]);
    server.close();
  });

  test("an IPv6 address in brackets is an authority", async () => {
    const server = http2.createServer((_request, response) => response.end());
    const hasIpv6 = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(0, "::1", () => resolve(true));
    });
    if (!hasIpv6) return;
    const { port } = server.address() as AddressInfo;
    await using connection = openCalling(open, { authority: `[::1]:${port}` });
    expect(await connection.call().ended).toBeUndefined();
    server.close();
  });

  test("a connection that is refused ends its calls with the reason", async () => {
    const server = net.createServer();
    const port = await listening(server);
    await new Promise((resolve) => server.close(resolve));
    await using connection = openCalling(open, { authority: `127.0.0.1:${port}` });
    const call = connection.call();

    expect(String(await call.ended)).toContain("ECONNREFUSED");
    await connection.closed;
    expect(connection.http2.isClosed).toBe(true);
    expect(call.stream.mayReadBody).toBe(false);
  });

  test.each<{ what: string; said: Buffer }>([
    { what: "nothing", said: Buffer.alloc(0) },
    { what: "half of a frame", said: settings().subarray(0, 5) },
    {
      what: "HTTP/1.1",
      said: Buffer.from("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n"),
    },
    {
      what: "SETTINGS, then half of PING",
      said: Buffer.concat([settings(), ping(Buffer.alloc(8)).subarray(0, 12)]),
    },
    { what: "DATA before SETTINGS", said: data(1, Buffer.alloc(3)) },
  ])("a server that says $what, and closes, ends the calls", async ({ said }) => {
    const server = net.createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => {
        socket.resume();
        socket.end(said);
      });
    });
    const port = await listening(server);
    await using connection = openCalling(open, { authority: `127.0.0.1:${port}` });
    const calls = [connection.call({ body: [Buffer.alloc(100_000)] }), connection.call()];
    for (const call of calls) await call.ended;
    await connection.closed;
    for (const { report } of calls) expect(report.headers).toBeUndefined();
    server.close();
  });

  test("an answer of HTTP/1.1 on a connection that stays open ends the calls", async () => {
    const server = net.createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.resume().write("HTTP/1.1 400 Bad Request\r\n\r\n"));
    });
    const port = await listening(server);
    await using connection = openCalling(open, { authority: `127.0.0.1:${port}` });
    expect(await connection.call().ended).toBeInstanceOf(Error);
    await connection.closed;
    server.close();
  });

  describe("GOAWAY", () => {
    test("in the middle is reported, and the streams before its last id are answered", async () => {
      await using connection = await openScripted(open);
      const { peer } = connection;
      const calls = [1, 3, 5].map(() => connection.call());
      await peer.requestBody(5);
      peer.send(goaway(3, 0));
      expect(await calls[2]?.ended).toBeInstanceOf(Error);
      expect(connection.goaways).toEqual([[0, 3]]);
      expect(connection.http2.isClosed).toBe(true);
      answer(peer, 1);
      answer(peer, 3);
      expect(await calls[0]?.ended).toBeUndefined();
      expect(await calls[1]?.ended).toBeUndefined();
      await connection.closed;
    });

    test("of a graceful shutdown comes twice", async () => {
      await using connection = await openScripted(open);
      const { peer } = connection;
      const calls = [1, 3].map(() => connection.call());
      await peer.requestBody(3);
      peer.send(goaway(2 ** 31 - 1, 0), goaway(1, 0));
      expect(await calls[1]?.ended).toBeInstanceOf(Error);
      expect(connection.goaways).toEqual([
        [0, 2 ** 31 - 1],
        [0, 1],
      ]);
      answer(peer, 1);
      expect(await calls[0]?.ended).toBeUndefined();
      await connection.closed;
    });

    test("with an error ends the calls once the connection is closed", async () => {
      await using connection = await openScripted(open);
      const { peer } = connection;
      const calls = [1, 3].map(() => connection.call());
      await peer.requestBody(3);
      peer.send(goaway(1, 11, "too_many_pings"));
      peer.socket.end();
      for (const call of calls) expect(await call.ended).toBeInstanceOf(Error);
      expect(connection.goaways).toEqual([[11, 1]]);
      await connection.closed;
    });

    test("ends calls that wait for a stream, which were never sent", async () => {
      const hello = settings({ MAX_CONCURRENT_STREAMS: 1 });
      await using connection = await openScripted(open, { hello });
      const { peer } = connection;
      await peer.next("SETTINGS");
      await peer.next("SETTINGS");
      const [first, ...waiting] = [1, 2, 3].map(() => connection.call());
      const { id } = await peer.next("HEADERS");
      peer.send(goaway(id, 0));
      // Node drops them when it comes to their turn.
      if (implementation === "node") answer(peer, id);
      for (const call of waiting) expect(await call.ended).toBeInstanceOf(Error);
      if (implementation === "own") answer(peer, id);
      expect(await first?.ended).toBeUndefined();
      await connection.closed;
      expect(peer.received("HEADERS")).toHaveLength(1);
    });

    test("without calls closes the connection", async () => {
      await using connection = await openScripted(open);
      await connection.connected;
      connection.peer.send(goaway(0, 0));
      await connection.closed;
      expect(connection.goaways).toEqual([[0, 0]]);
    });
  });

  describe.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 0xffff_ffff])(
    "RST_STREAM with code %i",
    (code) => {
      test.each<{ when: string; frames: readonly Buffer[] }>([
        { when: "before a reply", frames: [] },
        { when: "in a reply", frames: [headers(1, status200), data(1, Buffer.from("half"))] },
      ])("$when ends the stream alone", async ({ frames }) => {
        await using connection = await openScripted(open);
        const { peer } = connection;
        const call = connection.call({ body: [Buffer.alloc(70_000)] });
        await peer.until(() => peer.bodySoFar(1).length === 65_535);
        peer.send(...frames, reset(1, code));

        const error = await call.ended;
        expect(call.stream.resetCode).toBe(code);
        // NO_ERROR may follow a page that does not end, and Node does not tell CANCEL from it.
        const isTold = code !== 0 && !(code === 8 && implementation === "node");
        if (isTold) expect(error).toBeInstanceOf(Error);
        expect(call.report.trailers).toBeUndefined();
        expect(connection.http2.isClosed).toBe(false);
      });
    },
  );

  test("a ping is answered with the time that it took", async () => {
    await using connection = await openScripted(open);
    const { peer } = connection;
    await connection.connected;
    const answered = Promise.withResolvers<number | undefined>();
    expect(connection.http2.ping(answered.resolve)).toBe(true);
    const { payload, flags } = await peer.next("PING");
    expect(payload).toHaveLength(8);
    expect(flags).toBe(0);
    peer.send(ping(payload, ack));
    expect(await answered.promise).toBeGreaterThanOrEqual(0);
  });

  test("a ping of a connection that ends is not answered", async () => {
    await using connection = await openScripted(open);
    await connection.connected;
    const answered = Promise.withResolvers<number | undefined>();
    connection.http2.ping(answered.resolve);
    await connection.peer.next("PING");
    connection.peer.socket.destroy();
    expect(await answered.promise).toBeUndefined();
    await connection.closed;
    expect(connection.http2.ping(() => {})).toBe(false);
  });

  test("pings and settings of the server are acknowledged", async () => {
    await using connection = await openScripted(open);
    const { peer } = connection;
    for (const text of ["01234567", "\0\xff\0\xff\0\xff\0\xff"]) {
      const payload = Buffer.from(text, "latin1");
      peer.send(ping(payload));
      expect(await peer.next("PING")).toMatchObject({ flags: ack, id: 0, payload });
    }
    peer.send(settings({ HEADER_TABLE_SIZE: 0 }), settings({ MAX_HEADER_LIST_SIZE: 100 }));
    await peer.until(
      () => peer.received("SETTINGS").filter(({ flags }) => flags & ack).length === 3,
    );
    const call = connection.call({ headers: { "x-a": "1" } });
    await peer.requestBody(1);
    answer(peer, 1);
    expect(await call.ended).toBeUndefined();
  });

  test("close lets the calls in flight end", async () => {
    await using connection = await openScripted(open);
    const { peer } = connection;
    const calls = [1, 3].map(() => connection.call({ body: [Buffer.alloc(66_000)] }));
    await peer.next("HEADERS", 3);
    connection.http2.close();
    connection.http2.close();
    expect(connection.http2.isClosed).toBe(true);
    answer(peer, 1);
    expect(await calls[0]?.ended).toBeUndefined();
    peer.send(headers(3, status200), data(3, Buffer.from("x")), headers(3, grpcOk, end));
    expect(await calls[1]?.ended).toBeUndefined();
    expect(calls[1]?.report.body).toEqual(Buffer.from("x"));
    await connection.closed;
    await peer.closed;
  });

  test("close without calls ends the connection", async () => {
    await using connection = await openScripted(open);
    await connection.connected;
    connection.http2.close();
    await connection.closed;
    await connection.peer.closed;
  });

  test("close before it is open ends it", async () => {
    await using connection = await openScripted(open);
    connection.http2.close();
    await connection.closed;
  });

  test("destroy ends the streams with its error", async () => {
    await using connection = await openScripted(open);
    const { peer } = connection;
    const calls = [1, 3].map(() => connection.call({ body: [Buffer.alloc(66_000)] }));
    await peer.next("HEADERS", 3);
    peer.send(headers(1, status200));
    await calls[0]?.until((report) => report.headers !== undefined);
    const error = new Error("no answer to a ping");
    connection.http2.destroy(error);
    for (const call of calls) expect(await call.ended).toBe(error);
    await connection.closed;
    await peer.closed;
  });

  test("destroy before it is open ends the streams with its error", async () => {
    await using connection = openCalling(open, { authority: "192.0.2.1:1" });
    const call = connection.call();
    const error = new Error("no connection");
    connection.http2.destroy(error);
    expect(String(await call.ended)).toContain(error.message);
    await connection.closed;
  });

  describe("cancel", () => {
    test("resets the stream once, and reports nothing further", async () => {
      await using connection = await openScripted(open);
      const { peer } = connection;
      const call = connection.call({ body: [Buffer.alloc(66_000)] });
      await peer.until(() => peer.bodySoFar(1).length === 65_535);
      call.cancel();
      call.cancel();
      const { payload } = await peer.next("RST_STREAM", 1);
      expect(payload).toEqual(Buffer.of(0, 0, 0, 8));
      expect(call.stream.resetCode).toBe(8);
      peer.send(windowUpdate(0, 100_000));
      // These cross it.
      peer.send(headers(1, status200), data(1, Buffer.from("late")), headers(1, grpcOk, end));
      const next = connection.call();
      await peer.requestBody(3);
      answer(peer, 3);
      expect(await next.ended).toBeUndefined();
      expect(call.report.headers).toBeUndefined();
    });

    test("of a body in the memory of the socket says that it may be read", async () => {
      const hello = settings({ INITIAL_WINDOW_SIZE: 2 ** 31 - 1 });
      await using connection = await openScripted(open, { hello });
      const { peer } = connection;
      peer.send(windowUpdate(0, 2 ** 30));
      await peer.next("SETTINGS");
      await peer.next("SETTINGS");
      peer.socket.pause();
      const call = connection.call({ body: [Buffer.alloc(16_000_000)] });
      expect(call.stream.mayReadBody).toBe(true);
      // The memory of the kernel is full after a few turns.
      for (let turn = 0; turn < 200; turn += 1) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      call.cancel();
      expect(call.stream.mayReadBody).toBe(true);
      // Node's connection ends only when what it has handed to the socket was read.
      if (implementation === "node") peer.socket.resume();
      connection.http2.destroy(new Error("the server does not read"));
      await connection.closed;
    });

    test.each<"onHeaders" | "onData" | "onTrailers">(["onHeaders", "onData", "onTrailers"])(
      "in %s ends the reports",
      async (when) => {
        await using connection = await openScripted(open);
        const { peer } = connection;
        const call = connection.call();
        const told = Promise.withResolvers<void>();
        const report = call[when].bind(call) as (...args: readonly unknown[]) => void;
        Object.assign(call, {
          [when]: (...args: readonly unknown[]) => {
            report(...args);
            call.cancel();
            told.resolve();
          },
        });
        await peer.requestBody(1);
        peer.send(headers(1, status200), data(1, Buffer.from("x")), headers(1, grpcOk, end));
        await told.promise;
        const next = connection.call();
        await peer.requestBody(3);
        answer(peer, 3);
        expect(await next.ended).toBeUndefined();
      },
    );

    test("of a call whose reply has ended sends nothing", async () => {
      await using connection = await openScripted(open);
      const { peer } = connection;
      const call = connection.call();
      await peer.requestBody(1);
      answer(peer, 1);
      await call.ended;
      call.stream.cancel();
      expect(call.stream.mayReadBody).toBe(false);
      const next = connection.call();
      await peer.requestBody(3);
      answer(peer, 3);
      await next.ended;
      expect(peer.received("RST_STREAM")).toHaveLength(0);
    });

    test("of all calls of a connection that is being opened leaves it usable", async () => {
      await using connection = await openScripted(open);
      const { peer } = connection;
      const call = connection.call({ body: [Buffer.alloc(10)] });
      call.cancel();
      const next = connection.call();
      await connection.connected;
      await peer.until(() =>
        [...peer.rules.streams.values()].some((each) => each.hasClientEnded && !each.wasReset),
      );
      const id = [...peer.rules.streams].findLast(([, each]) => each.hasClientEnded)?.[0] ?? 0;
      answer(peer, id);
      expect(await next.ended).toBeUndefined();
    });
  });

  describe.runIf(hasOpenssl)("over TLS", () => {
    const files = () => {
      const { caFile, serverCertFile, serverKeyFile } = certificates as TestCertificates;
      return {
        ca: readFileSync(caFile),
        server: { cert: readFileSync(serverCertFile), key: readFileSync(serverKeyFile) },
      };
    };

    test("calls are answered, with the scheme https", async () => {
      const { ca, server: identity } = files();
      const schemes: unknown[] = [];
      const server = http2.createSecureServer(identity, (request, response) => {
        schemes.push(request.scheme);
        response.end("x");
      });
      const port = await listening(server);
      await using connection = openCalling(open, {
        scheme: "https",
        authority: `localhost:${port}`,
        lookup: loopback,
        tls: { ca },
      });
      const call = connection.call({ body: [Buffer.alloc(100_000)] });
      expect(await call.ended).toBeUndefined();
      expect(call.report.body).toEqual(Buffer.from("x"));
      expect(schemes).toEqual(["https"]);
      expect(connection.http2.receivedBytes).toBeGreaterThan(0);
      server.close();
    });

    test.each<{
      what: string;
      name?: string;
      hasCa?: boolean;
      protocols?: string[];
      reason: RegExp;
    }>([
      { what: "another name", name: "other.invalid", protocols: ["h2"], reason: /altnames/i },
      { what: "an unknown authority", hasCa: false, protocols: ["h2"], reason: /certificate/i },
      { what: "HTTP/1.1 alone", protocols: ["http/1.1"], reason: /alert|protocol|ALPN/i },
      // Node speaks HTTP/2 all the same.
      ...(implementation === "own" ? [{ what: "no ALPN", reason: /ALPN|HTTP\/2/ }] : []),
    ])("a server with $what fails the calls", async (server) => {
      const { name = "localhost", hasCa = true, protocols, reason } = server;
      const { ca, server: identity } = files();
      const listener = tls.createServer({
        ...identity,
        ...(protocols && { ALPNProtocols: protocols }),
      });
      listener.on("tlsClientError", () => {});
      listener.on("secureConnection", (socket) => socket.on("error", () => {}).resume());
      const port = await listening(listener);
      await using connection = openCalling(open, {
        scheme: "https",
        authority: `${name}:${port}`,
        lookup: loopback,
        tls: hasCa ? { ca } : {},
      });
      const error = await connection.call().ended;
      expect(error).toBeInstanceOf(Error);
      expect(String(error)).toMatch(reason);
      await connection.closed;
      listener.close();
    });
  });
});
