import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { openScripted } from "../../../../../../test/support/http2-calls.ts";
import { openOwnHttp2 } from "./own-connection.ts";

test.each([
  ["short", 100],
  ["long", 60_000],
])(
  "a %s request is sent when the turn of the event loop ends, on whatever connection",
  async (_, byteCount) => {
    await using first = await openScripted(openOwnHttp2);
    await using second = await openScripted(openOwnHttp2);
    const calls = [first, second].map((scripted) =>
      scripted.call({ body: [Buffer.alloc(byteCount)] }),
    );

    await Promise.resolve();
    expect(calls.map(({ stream }) => stream.mayReadBody)).toEqual([true, true]);
    expect(first.peer.bodySoFar(1)).toHaveLength(0);
    await setImmediate();

    // Of a long one the socket may still have some.
    if (byteCount < 1_000)
      expect(calls.map(({ stream }) => stream.mayReadBody)).toEqual([false, false]);
    for (const { peer } of [first, second])
      expect(await peer.requestBody(1)).toHaveLength(byteCount);
  },
);
