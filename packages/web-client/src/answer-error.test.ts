import { expect, test } from "vitest";
import { answerError } from "./answer-error.ts";

test("a page without a sentence is looked at in its beginning alone, however long", async () => {
  const page = new Response("<".repeat(4_000_000), { status: 502 });

  const { message } = await answerError(page);

  expect(message.length).toBeLessThan(300);
});

test("the message quotes the first words of a page", async () => {
  const page = new Response("<html><h1>Bad   Gateway</h1>", { status: 502 });

  expect((await answerError(page)).message).toContain("Bad Gateway");
});
