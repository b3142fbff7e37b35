import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { manualClockAndRandom } from "@tensorgate/core/testing";
import { StatusService } from "@tensorgate/proto/tensorgate/v1/status";
import { expect, test } from "vitest";
import { ScoringClient } from "./index.ts";

const message = {
  version: "0.1.0",
  region: "westeurope",
  uptimeMs: 5n,
  retriesLeft: 3,
  regions: [
    {
      name: "westeurope",
      roundTripMs: 0,
      pools: [
        {
          model: "shapes",
          waiting: 2,
          expectedWaitMs: 1.5,
          replicas: [
            { id: "westeurope-1", state: "ready", slots: 2, answered: 7n, serviceMs: 2.5 },
            { id: "westeurope-2", state: "ejected", failed: 4n, ejections: 1n },
          ],
        },
      ],
    },
  ],
};

/** A client of a gateway that sends `count` messages, then does what `last` says; counts how often it was asked. */
function clientOf(count: number, last: (signal: AbortSignal) => Promise<void> = async () => {}) {
  let asked = 0;
  const transport = createRouterTransport(({ service }) => {
    service(StatusService, {
      getStatus: () => ({ status: message }),
      watchStatus: async function* (_request, { signal }) {
        asked += 1;
        for (let sent = 0; sent < count; sent += 1) {
          yield { status: { ...message, uptimeMs: BigInt(sent) } };
        }
        await last(signal);
      },
    });
  });
  const { clock, random } = manualClockAndRandom();
  const client = new ScoringClient({ transport, clockAndRandom: { clock, random } });
  return { client, clock, asked: () => asked };
}

const untilAborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));

test("a status has numbers, and leaves out what is not known", async () => {
  const { client } = clientOf(0);

  expect(await client.status.get()).toEqual({
    version: "0.1.0",
    region: "westeurope",
    uptimeMs: 5,
    retriesLeft: 3,
    regions: [
      {
        name: "westeurope",
        roundTripMs: 0,
        pools: [
          {
            model: "shapes",
            waiting: 2,
            expectedWaitMs: 1.5,
            isOverloaded: false,
            replicas: [
              {
                id: "westeurope-1",
                state: "ready",
                inFlight: 0,
                slots: 2,
                serviceMs: 2.5,
                answered: 7,
                failed: 0,
                ejections: 0,
              },
              {
                id: "westeurope-2",
                state: "ejected",
                inFlight: 0,
                slots: 0,
                answered: 0,
                failed: 4,
                ejections: 1,
              },
            ],
          },
        ],
      },
    ],
  });
});

test("updates are yielded until the gateway ends the stream", async () => {
  const { client } = clientOf(3);
  const uptimes: number[] = [];

  for await (const { uptimeMs } of client.status.watch()) uptimes.push(uptimeMs);

  expect(uptimes).toEqual([0, 1, 2]);
});

test("a stream that breaks is an error, and is not opened again without being asked to", async () => {
  const { client, asked } = clientOf(1, async () => {
    throw new ConnectError("gone", Code.Unavailable);
  });
  const watching = client.status.watch();

  await watching.next();

  await expect(watching.next()).rejects.toThrow("gone");
  expect(asked()).toBe(1);
});

test("leaving the loop ends the stream", async () => {
  const ended = Promise.withResolvers<void>();
  const { client } = clientOf(1, async (signal) => {
    await untilAborted(signal);
    ended.resolve();
  });

  for await (const _ of client.status.watch()) break;
  const leaving = new AbortController();
  const watching = client.status.watch({ signal: leaving.signal });
  await watching.next();
  const next = watching.next();
  // Until the stream is read: an abort before that ends it at its first message.
  await new Promise((resolve) => setImmediate(resolve));
  leaving.abort();

  await expect(next).rejects.toThrow("the call was aborted");
  await ended.promise;
});

test("a gateway that falls silent is noticed", async () => {
  const { client, clock } = clientOf(1, untilAborted);
  const watching = client.status.watch({ intervalMs: 250, timeoutMs: 1_000 });
  await watching.next();

  const next = watching.next();
  const failure = expect(next).rejects.toMatchObject({ reason: "upstream-failed" });
  await Promise.resolve();
  clock.advance(1_250);

  await failure;
});
