import { ScoringError } from "@tensorgate/core";
import { manualClockAndRandom } from "@tensorgate/core/testing";
import { afterEach, expect, test, vi } from "vitest";
import { type ClientError, ScoringClient, type WebClientOptions } from "./index.ts";

afterEach(() => vi.unstubAllGlobals());

const baseUrl = "http://gateway.test:8080";
const picture = new Blob(["a picture"], { type: "image/jpeg" });
const labels = [{ index: 1, label: "cat", score: 0.75 }];
const headers = {
  "x-tensorgate-model": "m@3",
  "x-tensorgate-region": "eastus",
  "server-timing": "cache;desc=hit;dur=0.1, total;dur=2",
};
const answered = () => Response.json({ results: [{ labels }] }, { headers });

type Answer = () => Response | Promise<Response>;

/** A client of a gateway that answers each call as the next of `answers` does, and the rest with labels. */
function clientOf(answers: readonly Answer[] = [], options: WebClientOptions = {}) {
  const received: Request[] = [];
  const { clock, random } = manualClockAndRandom();
  const client = new ScoringClient({
    baseUrl,
    clockAndRandom: { clock, random },
    fetch: async (...request) => {
      received.push(new Request(...request));
      return (answers[received.length - 1] ?? answered)();
    },
    ...options,
  });
  return { client, received, clock };
}

function problem(status: number, reason: string, more: object = {}): Answer {
  const body = { type: `urn:tensorgate:${reason}`, status, reason, detail: "no", ...more };
  return () => Response.json(body, { status });
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("labels come with what is known of the answer, which JSON does not show", async () => {
  const { client, received } = clientOf();

  const found = await client.classify("m", picture, { topK: 3, version: 12n });

  expect(JSON.parse(JSON.stringify(found))).toEqual(labels);
  expect(found.meta).toMatchObject({
    model: "m",
    version: "3",
    region: "eastus",
    attempts: 1,
    cache: "hit",
    timing: { total: 2 },
    upload: { bytes: picture.size, savedBytes: 0 },
  });
  const [request] = received as [Request];
  expect(request.url).toBe(`${baseUrl}/v1/classify/m?topK=3&version=12`);
  expect(request.headers.get("content-type")).toBe("image/jpeg");
  expect(request.headers.get("x-tensorgate-timeout-ms")).toBe("10000");
  expect(await request.text()).toBe("a picture");
});

test("the options of a call are sent", async () => {
  const { client, received } = clientOf([], {
    apiKey: async () => "tg_a_secret",
    headers: { "x-everywhere": "1" },
  });

  await client.classify("m", picture, {
    region: "eastus",
    residency: ["eastus", "westus2"],
    priority: "batch",
    requestId: "mine",
    noStore: true,
    headers: { "x-once": "2" },
  });

  expect(Object.fromEntries(received[0]?.headers ?? [])).toMatchObject({
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

test("a key that every user could read is rejected, unless that is allowed", () => {
  vi.stubGlobal("document", {});

  expect(() => new ScoringClient({ baseUrl, apiKey: "tg_a_secret" })).toThrow(
    "every user of this page can read an apiKey that is a string",
  );
  expect(() => new ScoringClient({ baseUrl, apiKey: () => "tg_a_secret" })).not.toThrow();
  const meant = { baseUrl, apiKey: "tg_a_secret", dangerouslyAllowBrowser: true };
  expect(() => new ScoringClient(meant)).not.toThrow();
});

test.each(["localhost:8080", "http://me:secret@h"])("%s is no address of a gateway", (address) => {
  const made = () => new ScoringClient({ baseUrl: address });

  expect(made).toThrow(expect.objectContaining({ reason: "invalid-request", field: "baseUrl" }));
  expect(made).not.toThrow("secret");
});

test("leaving its scope terminates the worker and its pictures in progress", async () => {
  const ended: string[] = [];
  class SilentWorker {
    postMessage() {
      ended.push("asked");
    }
    terminate() {
      ended.push("terminated");
    }
  }
  vi.stubGlobal("Worker", SilentWorker);
  let failed: Promise<unknown> | undefined;
  {
    await using client = clientOf([() => Response.json({ versions: [], input: {} })]).client;
    failed = client.classify("m", new Blob([new Uint8Array(2_000_000)]), { maxRetries: 0 });
    await expect.poll(() => ended).toEqual(["asked"]);
  }

  expect(ended).toEqual(["asked", "terminated"]);
  await failed;
});

test("a failure says what was called, what went wrong and what to do", async () => {
  const details = { hint: "try another", field: "x", requestId: "r" };
  const { client, received } = clientOf([problem(404, "unknown-model", details)]);

  const error = (await client.classify("m", picture).catch((thrown) => thrown)) as ClientError;

  expect(ScoringError.is(error)).toBe(true);
  expect(error).toMatchObject({
    name: "UnknownModelError",
    reason: "unknown-model",
    status: 404,
    retryable: false,
    message: "classify(m): no. Hint: try another",
    hint: "try another",
    field: "x",
    model: "m",
    attempts: 1,
  });
  expect(received).toHaveLength(1);
});

test("a failure of Connect is reported in the same way", async () => {
  const info = { reason: "unknown-model", domain: "tensorgate", metadata: { hint: "look" } };
  const failure = {
    code: "not_found",
    message: "no",
    details: [{ type: "google.rpc.ErrorInfo", value: "", debug: info }],
  };
  const { client } = clientOf([() => Response.json(failure, { status: 404 })]);

  await expect(client.predict("m", {})).rejects.toMatchObject({
    reason: "unknown-model",
    hint: "look",
    message: "predict(m): no. Hint: look",
  });
});

test("a failure with retryAfterMs is retried after that time, with the same bytes", async () => {
  const { client, received, clock } = clientOf([problem(503, "overloaded", { retryAfterMs: 300 })]);
  const found = client.classify("m", picture);
  await expect.poll(() => received.length).toBe(1);
  await expect.poll(() => clock.pendingTimersMs()).toEqual([300]);
  clock.advance(300);

  expect((await found).meta.attempts).toBe(2);
  expect(await received[1]?.text()).toBe("a picture");
});

test("the deadline ends all attempts, and the gateway gets the time left", async () => {
  const never = () => new Promise<Response>(() => {});
  const { client, received, clock } = clientOf([never, never], {
    timeoutMs: 600,
    deadlineMs: 1_000,
  });
  const failed = client.classify("m", picture).catch((thrown: unknown) => thrown);
  await expect.poll(() => received.length).toBe(1);
  clock.advance(600);
  await expect.poll(() => clock.pendingTimersMs().length).toBe(1);
  clock.advance(50);
  await expect.poll(() => received.length).toBe(2);
  expect(received[1]?.headers.get("x-tensorgate-timeout-ms")).toBe("350");
  clock.advance(350);

  expect(await failed).toMatchObject({ reason: "deadline-exceeded", attempts: 2 });
});

test("an abort during a wait ends the call immediately", async () => {
  const controller = new AbortController();
  const { client, clock } = clientOf([problem(503, "overloaded", { retryAfterMs: 5_000 })]);
  const failed = client.classify("m", picture, { signal: controller.signal });
  await expect.poll(() => clock.pendingTimersMs()).toEqual([5_000]);

  controller.abort();

  await expect(failed).rejects.toMatchObject({ reason: "cancelled" });
  expect(clock.pendingTimersMs()).toEqual([]);
});

interface Garbage {
  readonly name: string;
  readonly answer: Answer;
  readonly method?: "classify" | "list" | "get" | "predict";
}

test.each<Garbage>([
  { name: "a page of a proxy", answer: () => new Response("<h1>It works!</h1>") },
  { name: "JSON of another server", answer: () => Response.json({ hello: "world" }) },
  { name: "half an answer", answer: () => new Response('{"results": [') },
  { name: "nothing", answer: () => Response.json(null) },
  { name: "a result that is none", answer: () => Response.json({ results: [null] }) },
  { name: "a result without labels", answer: () => Response.json({ results: [{}] }) },
  { name: "no models", answer: () => Response.json([]), method: "list" },
  { name: "no model", answer: () => Response.json(null), method: "get" },
  {
    name: "tensors that are none",
    method: "predict",
    answer: () => Response.json({ outputs: { sum: { dtype: "FP32", shape: ["1"], data: "%" } } }),
  },
])(
  "an unreadable response fails, and is not retried: $name",
  async ({ answer, method = "classify" }) => {
    const { client, received } = clientOf([answer]);
    const calls = {
      classify: () => client.classify("m", picture),
      list: () => client.models.list(),
      get: () => client.models.get("m"),
      predict: () => client.predict("m", {}),
    };

    const failed = calls[method]();

    await expect(failed).rejects.toMatchObject({
      reason: "upstream-answered",
      retryable: false,
      message: expect.stringContaining("is not from a gateway"),
      hint: "check that the URL is that of a gateway",
    });
    expect(received).toHaveLength(1);
  },
);

test.each([
  { status: 404, reason: "upstream-answered", retryable: false },
  { status: 401, reason: "unauthenticated", retryable: false },
  { status: 413, reason: "too-large", retryable: false },
  { status: 504, reason: "deadline-exceeded", retryable: false },
  { status: 502, reason: "upstream-failed", retryable: true },
])("$status of another server is $reason", async ({ status, reason, retryable }) => {
  const { client } = clientOf([() => new Response("<b>nginx</b>", { status })], { maxRetries: 0 });

  await expect(client.classify("m", picture)).rejects.toMatchObject({ reason, retryable, status });
});

test.each([
  { name: "offline", page: {}, onLine: false, hint: "the browser is offline" },
  {
    name: "mixed content",
    onLine: true,
    page: { protocol: "https:", origin: "https://app.test" },
    hint: "a page loaded over https cannot call http",
  },
  {
    name: "another origin",
    onLine: true,
    page: { protocol: "http:", origin: "http://app.test" },
    hint: "crossSite.origins lists http://app.test",
  },
])("no response, $name: the hint names the cause", async ({ page, onLine, hint }) => {
  vi.stubGlobal("location", page);
  vi.stubGlobal("navigator", { onLine });
  const refused = () => Promise.reject(new TypeError("Failed to fetch"));
  const { client } = clientOf([refused], { maxRetries: 0 });

  await expect(client.classify("m", picture)).rejects.toMatchObject({
    reason: "upstream-failed",
    hint: expect.stringContaining(hint),
    message: expect.stringContaining(`the gateway cannot be reached: ${baseUrl}`),
  });
});

test.each([
  { input: new Blob([]), text: "the picture is empty" },
  { input: { hello: 1 }, text: "picture must be a picture, got Object" },
  { input: undefined, text: "picture must be a picture, got undefined. Hint: was a file chosen?" },
  { input: "data:image/png;base64,iVBORw0KGgo", text: "Hint: give a Blob" },
])("an invalid picture is rejected before it is sent: $text", async ({ input, text }) => {
  const { client, received } = clientOf();

  const failed = client.classify("m", input as Blob);

  await expect(failed).rejects.toThrow(text);
  await expect(failed).rejects.toMatchObject({ reason: "invalid-request", attempts: 0 });
  expect(received.filter(({ method }) => method === "POST")).toEqual([]);
});

test("tensors go and come as they are", async () => {
  const outputs = { sum: { dtype: "INT64", shape: ["2"], data: "AQAAAAAAAAD//////////w==" } };
  const { client, received } = clientOf([() => Response.json({ outputs }, { headers })]);

  const found = await client.predict("m", {
    x: { data: [1, 2], shape: [2] },
    name: { data: ["é"], shape: [1] },
  });

  expect(found["sum"]).toEqual({ dtype: "INT64", shape: [2], data: new BigInt64Array([1n, -1n]) });
  expect(await received[0]?.json()).toMatchObject({
    modelSpec: { name: "m" },
    inputs: {
      x: { dtype: "FP32", shape: ["2"], data: "AACAPwAAAEA=" },
      name: { dtype: "BYTES", elements: { elements: ["w6k="] } },
    },
  });
});

test("a moving picture is sent one frame at a time, no faster than `fps`", async () => {
  vi.stubGlobal("createImageBitmap", async () => ({ width: 8, height: 8, close: () => {} }));
  vi.stubGlobal("OffscreenCanvas", FakeCanvas);
  const canvas = new FakeCanvas(8, 8) as unknown as OffscreenCanvas;
  let inFlight = 0;
  const slow = async () => {
    inFlight += 1;
    expect(inFlight).toBe(1);
    await settled();
    inFlight -= 1;
    return answered();
  };
  const overloaded = problem(503, "overloaded");
  const answers = [() => Response.json({ versions: [], input: {} }), slow, overloaded, slow];
  const { client, received, clock } = clientOf(answers, { maxRetries: 0 });

  const frames = client.stream("m", canvas, { fps: 4 });
  expect((await frames.next()).value).toMatchObject({ frame: 0, ok: true, takenMs: 0 });
  const second = frames.next();
  await settled();
  expect(clock.pendingTimersMs()).toEqual([250]);
  clock.advance(250);
  expect((await second).value).toMatchObject({ frame: 1, ok: false, takenMs: 250 });
  clock.advance(900);
  expect((await frames.next()).value).toMatchObject({ frame: 2, ok: true, takenMs: 1_150 });
  await frames.return(undefined);

  expect(received).toHaveLength(4);
  expect(clock.pendingTimersMs()).toEqual([]);
});

test("a stream sends nothing while the page is hidden, and ends on abort", async () => {
  const page = Object.assign(new EventTarget(), { hidden: true });
  vi.stubGlobal("document", page);
  const controller = new AbortController();
  const { client, received } = clientOf();
  const frames = client.stream("m", {} as HTMLCanvasElement, { signal: controller.signal });
  const first = frames.next();
  await settled();
  expect(received).toEqual([]);

  controller.abort();

  expect(await first).toEqual({ done: true, value: undefined });
});

class FakeCanvas {
  readonly width: number;
  readonly height: number;
  constructor(width: number, height: number) {
    this.width = width;
    this.height = height;
  }
  getContext() {
    return { drawImage: () => {} };
  }
  async convertToBlob({ type }: { type: string }) {
    return new Blob(["pixels"], { type });
  }
}

test.each([
  { options: { topK: 1.5 }, text: "topK must be a whole number of 1 or more, got 1.5" },
  { options: { minScore: Number.NaN }, text: "minScore must be from 0 to 1, got NaN" },
  { options: { version: "latest" }, text: 'version must be a whole number, got "latest"' },
  { options: { version: 1, versionLabel: "stable" }, text: "set version or versionLabel" },
])("a wrong option is named before anything is sent: $text", async ({ options, text }) => {
  const { client, received } = clientOf();

  const failed = client.classify("m", picture, options);

  await expect(failed).rejects.toThrow(text);
  await expect(failed).rejects.toMatchObject({ reason: "invalid-request", attempts: 0 });
  expect(received).toEqual([]);
});

test("what plain JavaScript misspells is named, before anything is sent", async () => {
  const { client, received } = clientOf();
  const options = { topk: 3 } as object;
  await expect(client.classify("m", picture, options)).rejects.toMatchObject({
    reason: "invalid-request",
    field: "topk",
    message: expect.stringMatching(/: unknown option "topk"; known: .*\btopK\b/),
  });
  expect(() => new ScoringClient({ baseURL: baseUrl } as object)).toThrow(
    'unknown setting "baseURL"; known: baseUrl, apiKey',
  );
  expect(received).toEqual([]);
});
