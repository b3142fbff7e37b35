import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { ScoringError } from "@tensorgate/core";
import { manualClockAndRandom } from "@tensorgate/core/testing";
import { ErrorInfoSchema, RetryInfoSchema } from "@tensorgate/proto/google/rpc/error_details";
import { type ClassifyRequest, ScoringService } from "@tensorgate/proto/tensorgate/v1/scoring";
import { expect, test } from "vitest";
import { type ClientError, type ClientEvent, type ClientOptions, ScoringClient } from "./index.ts";

interface ReceivedCall {
  readonly request: ClassifyRequest;
  readonly headers: Headers;
}

/** A client of a gateway that answers each call as the next of `answers` does. */
function clientOf(answers: readonly (() => void)[] = [], options: ClientOptions = {}) {
  const received: ReceivedCall[] = [];
  const { clock, random } = manualClockAndRandom();
  const transport = createRouterTransport(({ service }) => {
    service(ScoringService, {
      classify: (request, { requestHeader, responseHeader }) => {
        received.push({ request, headers: requestHeader });
        answers[received.length - 1]?.();
        responseHeader.set("x-tensorgate-model", "m@3");
        responseHeader.set("x-tensorgate-region", "eastus");
        responseHeader.set("server-timing", "decode;dur=1.5, cache;desc=hit;dur=0.1, total;dur=2");
        const labels = [{ index: 1, label: "cat", score: 0.75 }];
        return { results: [{ outcome: { case: "labels", value: { labels } } }] };
      },
    });
  });
  const client = new ScoringClient({ transport, clockAndRandom: { clock, random }, ...options });
  return { client, received, clock };
}

const picture = Buffer.from("a picture");

function refusal(reason: string, code: Code, retryAfterMs?: number): () => never {
  return () => {
    throw new ConnectError("no", code, undefined, [
      {
        desc: ErrorInfoSchema,
        value: { reason, domain: "tensorgate", metadata: { hint: "try another", field: "x" } },
      },
      ...(retryAfterMs === undefined
        ? []
        : [
            {
              desc: RetryInfoSchema,
              value: {
                retryDelay: {
                  seconds: BigInt(Math.floor(retryAfterMs / 1_000)),
                  nanos: (retryAfterMs % 1_000) * 1e6,
                },
              },
            },
          ]),
    ]);
  };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("labels come with what is known of the answer, which JSON does not show", async () => {
  const { client } = clientOf();

  const labels = await client.classify("m", picture);

  expect(JSON.parse(JSON.stringify(labels))).toEqual([{ index: 1, label: "cat", score: 0.75 }]);
  expect(labels.meta).toMatchObject({
    model: "m",
    version: "3",
    region: "eastus",
    attempts: 1,
    cache: "hit",
    timing: { decode: 1.5, cache: 0.1, total: 2 },
  });
  expect(Object.keys(labels)).toEqual(["0"]);
});

test("the options of a call are sent", async () => {
  const { client, received } = clientOf([], {
    apiKey: async () => "tg_a_secret",
    headers: { "x-everywhere": "1" },
  });

  await client.classify("m", picture, {
    topK: 3,
    minScore: 0.5,
    version: "12",
    region: "eastus",
    residency: ["eastus", "westus2"],
    priority: "batch",
    requestId: "mine",
    noStore: true,
    headers: { "x-once": "2" },
  });

  const [{ request, headers } = { request: undefined, headers: new Headers() }] = received;
  expect(request).toMatchObject({ topK: 3, modelSpec: { versionChoice: { value: 12n } } });
  expect(Object.fromEntries(headers)).toMatchObject({
    authorization: "Bearer tg_a_secret",
    "x-tensorgate-region": "eastus",
    "x-tensorgate-residency": "eastus,westus2",
    "x-tensorgate-priority": "batch",
    "x-request-id": "mine",
    "cache-control": "no-store",
    "x-everywhere": "1",
    "x-once": "2",
  });
});

test.each([
  { name: "a Buffer", input: picture },
  { name: "a Blob", input: new Blob([picture]) },
  { name: "an ArrayBuffer", input: new Uint8Array(picture).buffer },
  { name: "a Node stream", input: Readable.from([picture.subarray(0, 4), picture.subarray(4)]) },
  { name: "a web stream", input: new Blob([picture]).stream() },
])("$name is sent as its bytes", async ({ input }) => {
  const { client, received } = clientOf();

  await client.classify("m", input);

  expect(Buffer.from(received[0]?.request.pictures[0]?.source.value ?? [])).toEqual(picture);
});

const used = new Blob(["x"]).stream();
used.getReader();

test.each([
  { input: used, text: "the stream cannot be read: Invalid state: ReadableStream is locked" },
  {
    input: Readable.from(["text"]),
    text: "the stream contains text or objects, not bytes. Hint: open it without",
  },
  { input: Readable.from([]), text: "the stream is empty. Hint: a stream can be read only once" },
  {
    input: new ReadableStream({ pull: () => Promise.reject(new Error("the disk is gone")) }),
    text: "the stream cannot be read: the disk is gone",
  },
  {
    input: null as unknown as string,
    text: "picture must be a picture, got null. Hint: was a file",
  },
  { input: "https://example.com/cat.jpg", text: "is not a file. Hint: give the bytes" },
  { input: "/nowhere/cat.jpg", text: "/nowhere/cat.jpg cannot be read" },
  { input: new URL("https://example.com/cat.jpg"), text: "is not a file" },
  { input: new Uint8Array(), text: "the picture is empty" },
])("an invalid picture is rejected before it is sent: $text", async ({ input, text }) => {
  const { client, received } = clientOf();

  const failed = client.classify("m", input);

  await expect(failed).rejects.toThrow(`classify(m): `);
  await expect(failed).rejects.toThrow(text);
  await expect(failed).rejects.toMatchObject({ reason: "invalid-request", attempts: 0 });
  expect(received).toEqual([]);
});

type Arguments = Parameters<ScoringClient["classify"]>;

test.each([
  {
    given: ["m", picture, { topK: 1.5 }],
    text: "topK must be a whole number of 1 or more, got 1.5",
  },
  {
    given: ["m", picture, { topK: "3" }],
    text: 'topK must be a whole number of 1 or more, got "3"',
  },
  { given: ["m", picture, { minScore: 50 }], text: "minScore must be from 0 to 1, got 50" },
  { given: ["m", picture, { version: 1.5 }], text: "version must be a whole number, got 1.5" },
  { given: [undefined, picture], text: "model must be the name of a model, got undefined" },
  { given: [picture, "m"], text: "model must be the name of a model, got Uint8Array" },
  { given: ["m", undefined], text: "picture must be a picture, got undefined. Hint: was a file" },
])("a wrong argument is named before anything is sent: $text", async ({ given, text }) => {
  const events: string[] = [];
  const { client, received } = clientOf([], { onEvent: ({ type }) => events.push(type) });

  const failed = client.classify(...(given as unknown as Arguments));

  await expect(failed).rejects.toThrow(text);
  await expect(failed).rejects.toMatchObject({ reason: "invalid-request", attempts: 0 });
  expect(received).toEqual([]);
  expect(events).toEqual(["failure"]);
});

const tensor = { data: [1], shape: [1] };

test.each([
  {
    inputs: { images: [1, 2] },
    text: "inputs.images must be a tensor { dtype, shape, data }, got",
  },
  { inputs: { images: undefined }, text: "inputs.images must be a tensor { dtype, shape, data }" },
  { inputs: { images: { data: 1, shape: [] } }, text: "inputs.images must be a tensor" },
  { inputs: [tensor], text: "inputs must be an object with tensors by their names, got" },
  { inputs: { x: tensor }, outputs: "sum", text: 'outputs must be a list of names, got "sum"' },
])("wrong inputs are named before anything is sent: $text", async ({ inputs, outputs, text }) => {
  const { client } = clientOf();
  const options = { outputs: outputs as unknown as readonly string[] };

  const failed = client.predict("m", inputs as never, outputs === undefined ? {} : options);

  await expect(failed).rejects.toThrow(text);
  await expect(failed).rejects.toMatchObject({ reason: "invalid-request", attempts: 0 });
});

test("a failure says what was called, what went wrong and what to do", async () => {
  const { client, received } = clientOf([refusal("unknown-model", Code.NotFound)]);

  const error = (await client.classify("m", picture).catch((thrown) => thrown)) as ClientError;

  expect(ScoringError.is(error)).toBe(true);
  expect(error).toMatchObject({
    name: "UnknownModelError",
    reason: "unknown-model",
    grpcCode: 5,
    retryable: false,
    message: "classify(m): no. Hint: try another",
    hint: "try another",
    field: "x",
    model: "m",
    attempts: 1,
    requestId: received[0]?.headers.get("x-request-id"),
  });
});

test("a failure with retryAfterMs is retried after that time", async () => {
  const { client, received, clock } = clientOf([refusal("overloaded", Code.Unavailable, 300)]);
  const labels = client.classify("m", picture);
  await expect.poll(() => received.length).toBe(1);
  await settled();
  clock.advance(299);
  await settled();
  expect(received).toHaveLength(1);
  clock.advance(1);

  expect((await labels).meta.attempts).toBe(2);
});

test("what the caller did wrong is sent once", async () => {
  const { client, received } = clientOf([refusal("invalid-request", Code.InvalidArgument)]);

  await expect(client.classify("m", picture)).rejects.toMatchObject({ attempts: 1 });
  expect(received).toHaveLength(1);
});

test("a server that is not a gateway counts as unreachable", async () => {
  const strange = () => {
    throw new ConnectError("<html>", Code.Unknown);
  };
  const { client } = clientOf([strange], { maxRetries: 0 });

  await expect(client.classify("m", picture)).rejects.toMatchObject({
    reason: "upstream-failed",
    message: expect.stringContaining("the gateway cannot be reached"),
  });
});

test.each([
  { code: Code.Unimplemented, status: 404, reason: "upstream-answered" },
  { code: Code.Unauthenticated, status: 401, reason: "unauthenticated" },
  { code: Code.PermissionDenied, status: 403, reason: "forbidden" },
])("the $status of another server is not retried", async ({ code, reason }) => {
  const { client, received } = clientOf([
    () => {
      throw new ConnectError("HTTP", code);
    },
  ]);

  await expect(client.classify("m", picture)).rejects.toMatchObject({ reason, retryable: false });
  expect(received).toHaveLength(1);
});

test("a response without a result fails with a hint, and is not retried", async () => {
  let asked = 0;
  const transport = createRouterTransport(({ service }) => {
    service(ScoringService, {
      classify: () => {
        asked += 1;
        return { results: [] };
      },
    });
  });

  await expect(new ScoringClient({ transport }).classify("m", picture)).rejects.toMatchObject({
    reason: "upstream-answered",
    hint: "check that the URL is that of a gateway",
    message: expect.stringContaining("the response has no result"),
  });
  expect(asked).toBe(1);
});

test("a stream that was read is sent again from memory", async () => {
  const { client, received, clock } = clientOf([refusal("overloaded", Code.Unavailable, 300)]);
  const labels = client.classify("m", Readable.from([picture]));
  await expect.poll(() => received.length).toBe(1);
  await settled();
  clock.advance(300);

  expect((await labels).meta.attempts).toBe(2);
  expect(Buffer.from(received[1]?.request.pictures[0]?.source.value ?? [])).toEqual(picture);
});

test("events report attempts, waits and ends, and no secret", async () => {
  const events: ClientEvent[] = [];
  const { client, clock } = clientOf([refusal("overloaded", Code.Unavailable, 300)], {
    apiKey: "tg_a_secret",
    onEvent: (event) => events.push(event),
  });
  const labels = client.classify("m", picture, { requestId: "r" });
  await expect.poll(() => events.length).toBe(2);
  clock.advance(300);
  await labels;

  const called = { method: "classify", model: "m", requestId: "r" };
  expect(events).toMatchObject([
    { ...called, type: "attempt", attempt: 1 },
    { ...called, type: "retry", reason: "overloaded", delayMs: 300 },
    { ...called, type: "attempt", attempt: 2 },
    { ...called, type: "answer", durationMs: 300, meta: { region: "eastus" } },
  ]);
  const show = (_: string, value: unknown) => (typeof value === "bigint" ? `${value}` : value);
  expect(JSON.stringify(events, show)).not.toContain("secret");
});

test("in a storm attempts are bounded by the budget, whatever each call may retry", async () => {
  const storm = Array.from({ length: 1_000 }, () => refusal("overloaded", Code.Unavailable));
  const immediate = {
    nowMs: () => 0,
    setTimer: (delayMs: number, wake: () => void) => {
      // Waits between attempts end immediately; attempts never time out.
      if (delayMs < 5_000) queueMicrotask(wake);
      return { [Symbol.dispose]: () => {} };
    },
  };
  const { client, received } = clientOf(storm, {
    maxRetries: 10,
    clockAndRandom: { clock: immediate, random: () => 0.5 },
  });

  for (let call = 0; call < 100; call += 1) {
    await expect(client.classify("m", picture)).rejects.toMatchObject({ reason: "overloaded" });
  }

  // A fifth of the calls, and what is saved up at the start.
  expect(received.length).toBeGreaterThan(120);
  expect(received.length).toBeLessThanOrEqual(100 + 20 + 10);
});

test("an abort ends the call immediately", async () => {
  const controller = new AbortController();
  const { client } = clientOf([refusal("overloaded", Code.Unavailable, 5_000)]);
  const failed = client.classify("m", picture, { signal: controller.signal });
  await settled();

  controller.abort();

  await expect(failed).rejects.toMatchObject({ reason: "cancelled" });
});

test("many pictures are scored a few at a time, and failures are yielded too", async () => {
  const { client, received } = clientOf();
  let taken = 0;
  function* pictures() {
    for (let index = 0; index < 20; index += 1) {
      taken += 1;
      yield index === 7 ? new Uint8Array() : picture;
    }
  }

  const outcomes: boolean[] = [];
  for await (const outcome of client.classifyAll("m", pictures(), { concurrency: 3 })) {
    outcomes.push(outcome.ok);
    expect(taken).toBeLessThanOrEqual(outcomes.length + 3);
  }

  expect(outcomes.filter((ok) => !ok)).toHaveLength(1);
  expect(outcomes).toHaveLength(20);
  expect(received).toHaveLength(19);
});

test.each([0, 1.5, Number.NaN])("a concurrency of %s is refused by its name", (concurrency) => {
  const client = new ScoringClient();

  expect(() => client.classifyAll("m", [], { concurrency })).toThrow(
    expect.objectContaining({ reason: "invalid-request", field: "concurrency" }),
  );
});

test("leaving a loop over many pictures ends what is under way", async () => {
  const { client } = clientOf();
  let isReturned = false;
  function* pictures() {
    try {
      for (;;) yield picture;
    } finally {
      isReturned = true;
    }
  }

  for await (const { ok } of client.classifyAll("m", pictures(), { concurrency: 2 })) {
    expect(ok).toBe(true);
    break;
  }

  expect(isReturned).toBe(true);
});

test.each([
  { baseUrl: "ftp://h", text: "baseUrl must be an http or https URL" },
  { baseUrl: "localhost:8080", text: "Hint: did you mean http://localhost:8080?" },
  { baseUrl: "http://me:secret@h", text: "baseUrl must not contain a user name or password" },
])("$baseUrl is no address of a gateway", ({ baseUrl, text }) => {
  const made = () => new ScoringClient({ baseUrl });

  expect(made).toThrow(text);
  expect(made).toThrow(expect.objectContaining({ reason: "invalid-request", field: "baseUrl" }));
  expect(made).not.toThrow("secret");
});

test("a client with other settings keeps the rest, and the connections", async () => {
  const { client, received } = clientOf([], { headers: { "x-first": "1" }, maxRetries: 0 });
  const other = client.with({ apiKey: "tg_a_secret", headers: { "x-second": "2" } });

  await other.classify("m", picture);
  await client.classify("m", picture);

  expect(Object.fromEntries(received[0]?.headers ?? [])).toMatchObject({
    authorization: "Bearer tg_a_secret",
    "x-second": "2",
  });
  expect(received[1]?.headers.get("authorization")).toBeNull();
  expect(received[1]?.headers.get("x-first")).toBe("1");
});

test("leaving its scope closes the connections", async () => {
  const server = createServer((_request, response) => response.end("not a gateway"));
  server.keepAliveTimeout = 60_000;
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  {
    await using client = new ScoringClient({ baseUrl: `http://127.0.0.1:${port}`, maxRetries: 0 });
    await expect(client.classify("m", picture)).rejects.toThrow(
      "the response is not from a gateway",
    );
  }

  // It ends immediately only if no connection is open.
  await new Promise((resolve) => server.close(resolve));
});

test("a response of gigabytes is aborted when it is announced, as the server's failure", async () => {
  const server = createServer((_request, response) => {
    response.on("error", () => {});
    response.writeHead(200, {
      "content-type": "application/proto",
      "content-length": "3000000000",
    });
    response.write("x");
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  {
    await using client = new ScoringClient({ baseUrl: `http://127.0.0.1:${port}`, maxRetries: 0 });
    await expect(client.classify("m", picture)).rejects.toMatchObject({
      reason: "upstream-failed",
      message: expect.stringContaining("the response is longer than 134217728 bytes"),
    });
  }
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

test("what plain JavaScript misspells is named, before anything is sent", async () => {
  const { client, received } = clientOf();
  const options = { timeout: 3 } as object;
  await expect(client.classify("m", picture, options)).rejects.toMatchObject({
    reason: "invalid-request",
    field: "timeout",
    message: expect.stringMatching(/: unknown option "timeout"; known: .*\btimeoutMs\b/),
  });
  expect(() => new ScoringClient({ url: "http://h" } as object)).toThrow(
    'unknown setting "url"; known: baseUrl, apiKey',
  );
  expect(received).toEqual([]);
});
