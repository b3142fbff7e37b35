import { fileURLToPath } from "node:url";
import { expect, inject, test } from "vitest";
import { openBrowser, whyNoBrowser } from "../browser/support/browser.ts";
import { type FollowedPage, followPage, patternOf } from "./support/followed-page.ts";

const tarballs = inject("tarballs");
const star = fileURLToPath(new URL("../../examples/pictures/star.jpg", import.meta.url));

/** Everything that the page says is printed was printed. */
function expectWhatThePageSays({ steps, address }: FollowedPage): void {
  for (const { command, printed, expected } of steps) {
    if (expected !== undefined) expect(printed, command).toMatch(patternOf(address(expected)));
  }
}

test("the tutorial of REST works as it is printed", async () => {
  await using followed = await followPage("tutorials/rest.md", [8080], tarballs);

  expect(followed.steps.filter(({ expected }) => expected !== undefined)).toHaveLength(4);
  expectWhatThePageSays(followed);
  const detected = followed.steps.find(({ command }) => command.includes("/v1/detect"));
  expect(detected?.printed).toContain('"label":"triangle"');
});

test("the tutorial of a service in Node works as it is printed", async () => {
  await using followed = await followPage("tutorials/node-service.md", [8080, 3000], tarballs);

  expect(followed.steps.filter(({ expected }) => expected !== undefined)).toHaveLength(3);
  expectWhatThePageSays(followed);
});

test.skipIf(whyNoBrowser)("the tutorial of the browser works as it is printed", async () => {
  await using followed = await followPage("tutorials/browser.md", [8080, 5173], tarballs);
  expect(followed.steps.at(-1)?.printed).toContain("dist/index.html");
  const browser = await openBrowser();
  try {
    const page = await browser.newPage();
    await page.goto(followed.address("http://localhost:5173"));
    await page.setInputFiles("#picture", star);
    await page.waitForFunction(() => document.body.textContent?.includes("star 97 %, "));
    const text = { name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("hello") };
    await page.setInputFiles("#picture", text);
    await page.waitForFunction(() => document.body.textContent?.includes("Hint:"));
  } finally {
    await browser.close();
  }
});
