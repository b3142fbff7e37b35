// A client that reads seconds only asks a busy server again too early, or never:
// Azure/azure-sdk-for-python#31004, basecamp/basecamp-sdk#564.
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { type ClientError, type ClientEvent, ScoringClient } from "@tensorgate/client";
import { manualClockAndRandom } from "@tensorgate/core/testing";
import { ScoringClient as WebScoringClient } from "@tensorgate/web-client";
import { describe, expect, test } from "vitest";

const weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/** A date in each of the forms that RFC 9110, 5.6.7 lists. */
const forms: readonly { readonly form: string; readonly write: (date: Date) => string }[] = [
  { form: "IMF-fixdate", write: (date) => date.toUTCString() },
  {
    form: "RFC 850",
    write: (date) => {
      const [, day, month, year, time] = date.toUTCString().split(" ");
      return `${weekdays[date.getUTCDay()]}, ${day}-${month}-${year?.slice(2)} ${time} GMT`;
    },
  },
  {
    form: "asctime",
    write: (date) => {
      const [weekday, day, month, year, time] = date.toUTCString().split(" ");
      return `${weekday?.slice(0, 3)} ${month} ${day?.replace(/^0/, " ")} ${time} ${year}`;
    },
  },
];

interface Busy {
  readonly status: number;
  /** From now. */
  readonly dateMs: number;
  readonly write: (date: Date) => string;
}

/** A server, of HTTP/1.1 or HTTP/2, that is busy until a date. */
async function startBusyServer({ status, dateMs, write }: Busy, isHttp2: boolean) {
  let requestCount = 0;
  const answer = (response: http.ServerResponse | http2.Http2ServerResponse) => {
    requestCount += 1;
    response.statusCode = status;
    response.setHeader("retry-after", write(new Date(Date.now() + dateMs)));
    response.end("busy");
  };
  const server = isHttp2
    ? http2.createServer((request, response) => request.resume().on("end", () => answer(response)))
    : http.createServer((request, response) => request.resume().on("end", () => answer(response)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requestCount: () => requestCount,
    [Symbol.dispose]: () => void server.close(),
  };
}

const clients = [
  { name: "the Node client over connect", transport: "connect" },
  { name: "the Node client over grpc", transport: "grpc" },
  { name: "the web client", transport: undefined },
] as const;

describe.each(clients)("$name", ({ transport }) => {
  /** Makes a call, whose waits are over as soon as they begin. */
  async function call(busy: Busy) {
    using server = await startBusyServer(busy, transport === "grpc");
    const delaysMs: number[] = [];
    const { clock, random } = manualClockAndRandom();
    const options = {
      baseUrl: server.baseUrl,
      deadlineMs: 300_000,
      clockAndRandom: { clock, random },
      onEvent: (event: ClientEvent) => {
        if (event.type !== "retry") return;
        delaysMs.push(event.delayMs);
        setImmediate(() => clock.advance(event.delayMs));
      },
    };
    const picture = new Blob(["a picture"]);
    await using client = transport
      ? new ScoringClient({ ...options, transport })
      : new WebScoringClient(options);
    const error = (await client.classify("m", picture).catch((thrown) => thrown)) as ClientError;
    return { delaysMs, error, requestCount: server.requestCount() };
  }

  describe.each(forms)("reads a date of the form $form", ({ write }) => {
    test.each([503, 429])("of %i, and waits for it", async (status) => {
      const { delaysMs, requestCount } = await call({ status, dateMs: 60_000, write });

      expect(requestCount).toBe(3);
      expect(delaysMs.map((ms) => ms > 30_000 && ms <= 60_000)).toEqual([true, true]);
    });

    test.each([503, 429])("of %i that is over, and waits as usual", async (status) => {
      const { delaysMs } = await call({ status, dateMs: -60_000, write });

      expect(delaysMs).toEqual([50, 100]);
    });

    test.each([503, 429])("of %i beyond the deadline, and tells it", async (status) => {
      const { error, requestCount } = await call({ status, dateMs: 600_000, write });

      expect(requestCount).toBe(1);
      expect(error.retryAfterMs).toBeGreaterThan(500_000);
      expect(error.retryAfterMs).toBeLessThanOrEqual(600_000);
    });
  });
});
