import { expect, test } from "vitest";
import { http2Implementations } from "../support/http2-calls.ts";
import { http2Replies, repliesBy, validReplies } from "./http2-replies.ts";
import { seededRandom } from "./mutate.ts";

/** Runs `work` for each seed, some at a time. */
async function forSeeds(count: number, work: (seed: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      while (next < count) {
        next += 1;
        await work(next);
      }
    }),
  );
}

test("damaged replies end every call, and the connection", async () => {
  await forSeeds(300, async (seed) => {
    const input = http2Replies.input(seededRandom(seed));
    try {
      // The target needs no gateway.
      await http2Replies.run(input, undefined as never);
    } catch (thrown) {
      throw new Error(`seed ${seed}: ${input.bytes.toString("hex")}`, { cause: thrown });
    }
  });
});

test("replies in any pieces are reported alike by every implementation", async () => {
  await forSeeds(100, async (seed) => {
    const whole = Buffer.concat(validReplies(seededRandom(seed)));
    const [reports, ...others] = await Promise.all(
      http2Implementations.map(({ open }) => repliesBy(open, whole, seededRandom(seed))),
    );
    for (const other of others) {
      other.forEach((report, at) => {
        const { hasFailed } = reports?.[at] ?? {};
        expect(report.hasFailed, `seed ${seed}, call ${at}`).toBe(hasFailed);
        // Of a reply that was reset, Node drops what was not read.
        if (!hasFailed) expect(report, `seed ${seed}, call ${at}`).toEqual(reports?.[at]);
      });
    }
  });
});
