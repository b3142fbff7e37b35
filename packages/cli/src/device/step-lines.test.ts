import { expect, test } from "vitest";
import { createStepLines } from "./step-lines.ts";

function shown(isTTY: boolean) {
  let [out, terminal, nowMs] = ["", "", 0];
  const lines = createStepLines({
    out: { write: (text) => (out += text) },
    terminal: { isTTY, write: (text) => (terminal += text) },
    nowMs: () => nowMs,
  });
  lines.step({ swapId: "1", atMs: 12_345, step: "load", device: "r-1", text: "r-1: loading" });
  nowMs = 3_000;
  lines.tick();
  lines.end();
  return { out, terminal };
}

test("a step is a line, and on a terminal one sees how long it takes", () => {
  expect(shown(true)).toEqual({
    out: "   12.3 s  r-1: loading\n",
    terminal: "\r\u001b[2K\r\u001b[2K           … 3 s\r\u001b[2K",
  });
});

test("where there is no terminal nothing is written over", () => {
  expect(shown(false)).toEqual({ out: "   12.3 s  r-1: loading\n", terminal: "" });
});
