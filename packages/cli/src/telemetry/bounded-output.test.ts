import { manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { createBoundedOutput, type WriteFailure } from "./bounded-output.ts";

/** An output whose writes the test ends. */
function held({ maxBytes = 1_000, batchBytes = 0 } = {}) {
  const clock = manualClock();
  const written: string[] = [];
  let end: ((failure: WriteFailure | undefined) => void) | undefined;
  const output = createBoundedOutput({
    sink: {
      write: (chunk, done) => {
        written.push(chunk.toString());
        end = done;
      },
    },
    clock,
    maxBytes,
    batchBytes,
    droppedText: (count) => `dropped ${count}\n`,
  });
  const settle = (failure?: WriteFailure) => {
    const done = end;
    end = undefined;
    done?.(failure);
  };
  return { output, clock, written, succeed: () => settle(), fail: settle };
}

const full: WriteFailure = { message: "no space left on device", wasCut: false };
const record = `${"r".repeat(99)}\n`;

test("an output that is not read holds no more than its bound, and counts what it drops", () => {
  const { output, written } = held();

  for (let count = 0; count < 100_000; count += 1) output.write(record);

  expect(output.state()).toEqual({ queuedBytes: 1_000, droppedCount: 99_990 });
  expect(written).toHaveLength(1);
});

test("no write is longer than what a pipe takes as a whole", () => {
  const { output, written, succeed } = held({ maxBytes: 100_000 });
  for (let count = 0; count < 100; count += 1) output.write(record);

  for (let count = 0; count < 4; count += 1) succeed();

  expect(written.map(({ length }) => length)).toEqual([100, 4_000, 4_000, 1_900]);
});

test("dropped records are reported once, as soon as writing succeeds", () => {
  const { output, written, succeed } = held();
  for (let count = 0; count < 12; count += 1) output.write(record);

  succeed();
  succeed();
  output.write("later\n");

  expect(written).toEqual([record, `dropped 2\n${record.repeat(9)}`, "later\n"]);
  expect(output.state()).toEqual({ queuedBytes: 6, droppedCount: 2 });
});

test("a full disk is tried again each second, and the first record after it tells the loss", () => {
  const { output, clock, written, succeed, fail } = held();
  output.write("lost\n");
  fail(full);
  output.write("kept\n");
  expect(output.state()).toEqual({ queuedBytes: 5, droppedCount: 1, failure: full.message });
  expect(written).toHaveLength(1);

  clock.advance(1_000);
  succeed();

  expect(written).toEqual(["lost\n", "dropped 1\nkept\n"]);
  expect(output.state()).toEqual({ queuedBytes: 0, droppedCount: 1 });
});

test("without new records the loss is also reported, when the disk has space again", () => {
  const { output, clock, written, succeed, fail } = held();
  output.write("lost\n");
  fail({ ...full, wasCut: true });
  clock.advance(1_000);
  fail(full);
  clock.advance(1_000);
  succeed();

  // The line that was cut is ended first.
  expect(written.slice(1)).toEqual(["\ndropped 1\n", "\ndropped 1\n"]);
  expect(clock.pendingTimersMs()).toEqual([]);
});

test("few bytes wait for others, for a second at most", () => {
  const { output, clock, written } = held({ batchBytes: 300 });
  output.write(record);
  output.write(record);
  expect(written).toEqual([]);

  clock.advance(1_000);

  expect(written).toEqual([record + record]);
});

test("a flush waits for all, and for no longer than it may", async () => {
  const { output, clock, written, succeed } = held({ batchBytes: 300 });
  output.write("a\n");
  const flushed = output.flush(500);
  output.write("b\n");
  succeed();
  succeed();
  await flushed;
  expect(written).toEqual(["a\n", "b\n"]);

  output.write("c\n");
  const cut = output.flush(500);
  clock.advance(500);
  await cut;
  expect(output.state().queuedBytes).toBe(2);
});

test("a flush of an output that fails ends with the next failure", async () => {
  const { output, fail } = held();
  output.write("a\n");
  fail(full);
  const flushed = output.flush(500);
  fail(full);

  await flushed;
});

test("a record longer than the bound is dropped", () => {
  const { output, written, succeed } = held();
  output.write("r".repeat(1_001));
  output.write("short\n");

  succeed();

  expect(written).toEqual(["dropped 1\nshort\n"]);
});
