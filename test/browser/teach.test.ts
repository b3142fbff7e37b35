import { readFileSync } from "node:fs";
import { consoleFiles } from "@tensorgate/console";
import { parseHead } from "@tensorgate/teaching";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startShapesGateway } from "../support/running-gateway.ts";
import { accessibilityFaults } from "./support/axe.ts";
import { openBrowser, whyNoBrowser } from "./support/browser.ts";
import { openPage } from "./support/open-page.ts";

type Point = readonly [x: number, y: number];

/** Strokes in fractions of the canvas, moved a little for every picture. */
const drawings: Readonly<Record<string, readonly Point[]>> = {
  zigzag: [
    [0.1, 0.3],
    [0.3, 0.7],
    [0.5, 0.3],
    [0.7, 0.7],
    [0.9, 0.3],
  ],
  ladder: [
    [0.3, 0.1],
    [0.3, 0.9],
    [0.7, 0.9],
    [0.7, 0.1],
    [0.3, 0.1],
    [0.3, 0.5],
    [0.7, 0.5],
  ],
};

async function draw(page: Page, name: string, turn: number): Promise<void> {
  await page.locator("#teach-canvas").scrollIntoViewIfNeeded();
  const box = await page.locator("#teach-canvas").boundingBox();
  if (!box) throw new Error("no canvas");
  const size = 0.75 + 0.05 * (turn % 4);
  const shift = 0.03 * ((turn % 3) - 1);
  const at = ([x, y]: Point) =>
    [
      box.x + (0.5 + (x - 0.5) * size + shift) * box.width,
      box.y + (0.5 + (y - 0.5) * size - shift) * box.height,
    ] as const;
  const [first, ...rest] = drawings[name] ?? [];
  if (!first) throw new RangeError(name);
  await page.mouse.move(...at(first));
  await page.mouse.down();
  for (const point of rest) await page.mouse.move(...at(point), { steps: 3 });
  await page.mouse.up();
}

const best = (page: Page) =>
  page.evaluate(() => document.querySelector("#teach-answer .labels li span")?.textContent);

describe.skipIf(whyNoBrowser)("the tab Teach", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser?.close());

  test("two classes are drawn, taught in the page, and told apart", async () => {
    await using running = await startShapesGateway({}, { console: consoleFiles() });
    await using opened = await openPage(browser, running.url, {
      acceptDownloads: true,
      viewport: { width: 1_280, height: 1_400 },
    });
    const { page, faults } = opened;
    await page.click("#teach-view-tab");
    await page.waitForSelector("#teach-model option", { state: "attached" });

    await page.click("#teach-train");
    await page.waitForFunction(() =>
      document.querySelector("#teach-status .error")?.textContent?.includes("has 0 pictures"),
    );

    const names = Object.keys(drawings);
    for (const [index, name] of names.entries()) {
      const field = page.locator(".class-card input:not([type])").nth(index);
      await field.fill(name);
      await field.blur();
      for (let turn = 0; turn < 6; turn += 1) {
        await draw(page, name, turn);
        await page.locator(".class-card").nth(index).getByText("Add drawing").click();
        await page.waitForFunction(
          ([at, count]) =>
            document
              .querySelectorAll(".class-card")
              [at as number]?.textContent?.includes(`${count} pictures`),
          [index, turn + 1],
        );
      }
    }
    await page.click("#teach-train");
    await page.waitForSelector("#teach-accuracy");
    expect(await page.textContent("#teach-accuracy")).toMatch(
      /Held out: 2 of 2 right .* trained in 0\.\d\d s/,
    );

    for (const [turn, name] of ["ladder", "zigzag", "ladder", "zigzag"].entries()) {
      await page.click("#teach-clear");
      await draw(page, name, turn + 7);
      await expect.poll(() => best(page), { timeout: 5_000 }).toBe(name);
    }
    expect(await accessibilityFaults(page)).toEqual([]);

    const download = page.waitForEvent("download");
    await page.getByText("Download the head").click();
    const head = parseHead(readFileSync(await (await download).path(), "utf8"));
    expect(head.classes).toEqual(names);
    expect(head.backbone).toMatchObject({ model: "shapes", version: "1" });
    expect(faults).toEqual([]);
  });

  test("files are added to a class, frames of the camera too, and both can be removed", async () => {
    await using running = await startShapesGateway({}, { console: consoleFiles() });
    await using opened = await openPage(browser, running.url);
    const { page, faults } = opened;
    await page.click("#teach-view-tab");
    await page.waitForSelector(".class-card");
    const card = page.locator(".class-card").first();
    const [star, heart] = ["star", "heart"].map((name) => `examples/pictures/${name}.jpg`);
    await card.locator("input[type=file]").setInputFiles([star ?? "", heart ?? ""]);
    await expect.poll(() => card.locator(".thumbnails li").count()).toBe(2);

    await page.locator(".class-card").nth(1).getByText("Add 10 frames").click();
    expect(await page.textContent("#teach-status")).toBe("Start the camera first.");
    await page.click("#teach-camera");
    await page.waitForFunction(
      () => document.querySelector<HTMLVideoElement>("#teach-video")?.videoWidth,
    );
    await page.locator(".class-card").nth(1).getByText("Add 10 frames").click();
    await page.waitForFunction(() =>
      document.querySelectorAll(".class-card")[1]?.textContent?.includes("10 pictures"),
    );
    await page.click("#teach-camera");

    await card.locator(".thumbnails button").first().click();
    await expect.poll(() => card.locator(".thumbnails li").count()).toBe(1);
    await page.locator(".class-card").nth(1).getByText("Remove class").click();
    await expect.poll(() => page.locator(".class-card").count()).toBe(1);
    expect(faults).toEqual([]);
  });
});
