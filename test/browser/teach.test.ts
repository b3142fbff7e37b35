import { existsSync, readFileSync } from "node:fs";
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

  test("two classes are drawn, taught in the page, and distinguished", async () => {
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
              [at as number]?.textContent?.includes(
                count === 1 ? "1 picture" : `${count} pictures`,
              ),
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

describe.skipIf(whyNoBrowser)("the tab Teach, by keyboard and on a phone", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser?.close());

  const label = (page: Page) =>
    page.evaluate(() => document.activeElement?.getAttribute("aria-label"));

  test("the focus stays on what was pressed, though its card is a new one", async () => {
    await using running = await startShapesGateway({}, { console: consoleFiles() });
    await using opened = await openPage(browser, running.url);
    const { page, faults } = opened;
    await page.focus("#score-view-tab");
    await page.keyboard.press("ArrowRight");
    await page.waitForSelector(".class-card");
    const files = page.locator(".class-card input[type=file]").first();
    await files.setInputFiles(["star", "heart"].map((name) => `examples/pictures/${name}.jpg`));
    await expect.poll(() => page.textContent("#teach-status")).toBe("2 pictures added to class 1.");

    await draw(page, "ladder", 1);
    await page.getByLabel("Add drawing to class 1").focus();
    await page.keyboard.press("Enter");
    await expect
      .poll(() => page.locator(".class-card").first().textContent())
      .toContain("3 pictures");
    expect(await label(page)).toBe("Add drawing to class 1");

    await page.getByLabel("Remove this picture of class 1").first().focus();
    for (const left of ["2 pictures", "1 picture"]) {
      await page.keyboard.press("Enter");
      await expect.poll(() => page.locator(".class-card").first().textContent()).toContain(left);
      expect(await label(page)).toBe("Remove this picture of class 1");
    }
    await page.getByLabel("Remove class class 1").focus();
    await page.keyboard.press("Enter");
    expect(await page.locator(".class-card").count()).toBe(1);
    expect(await label(page)).toBeTruthy();
    expect(faults).toEqual([]);
  });

  test("pictures that cannot be read are named, and the others teach", async () => {
    await using running = await startShapesGateway({}, { console: consoleFiles() });
    await using opened = await openPage(browser, running.url);
    const { page } = opened;
    await page.click("#teach-view-tab");
    await page.waitForSelector(".class-card");
    const broken = { name: "broken.png", mimeType: "image/png", buffer: Buffer.from("no picture") };
    const text = { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("no") };
    for (const [at, names] of [
      ["star", "heart", "cross"],
      ["moon", "arrow", "circle"],
    ].entries()) {
      const input = page.locator(".class-card input[type=file]").nth(at);
      const known = names.map((name) => `examples/pictures/${name}.jpg`).filter(existsSync);
      expect(known.length).toBeGreaterThan(1);
      await input.setInputFiles(known);
      await page.locator(".class-card input[type=file]").nth(at).setInputFiles([broken, text]);
    }
    await page.click("#teach-train");
    await page.waitForSelector("#teach-accuracy");
    expect(await page.textContent("#teach-status")).toMatch(
      /^Trained\. .* Left out: class 2\/notes.txt: .*; class 2\/broken.png: .*; .* and 1 more\.$/,
    );
    expect(await page.getAttribute("#teach-train", "aria-disabled")).toBeNull();
  });

  test("nothing is wider than a phone of 360 pixels", async () => {
    await using running = await startShapesGateway({}, { console: consoleFiles() });
    await using opened = await openPage(browser, running.url, {
      viewport: { width: 360, height: 740 },
    });
    const { page } = opened;
    const tooWide = () =>
      page.evaluate(() => {
        const scrolled = [...document.querySelectorAll<HTMLElement>(".scroll")]
          .filter((each) => each.scrollWidth > each.clientWidth + 1)
          .map((each) => each.outerHTML.slice(0, 80));
        for (const each of document.querySelectorAll<HTMLElement>("section, .class-card")) {
          const { right } = each.getBoundingClientRect();
          const wider = [...each.querySelectorAll("*")].filter(
            (inside) =>
              !inside.closest(".unseen, svg") && inside.getBoundingClientRect().right > right + 1,
          );
          scrolled.push(...wider.map((inside) => inside.outerHTML.slice(0, 80)));
        }
        const { scrollWidth, clientWidth } = document.documentElement;
        return scrollWidth > clientWidth ? [`the page: ${scrollWidth}`, ...scrolled] : scrolled;
      });
    await page.waitForSelector("#regions tbody tr");
    expect(await tooWide()).toEqual([]);
    expect(await accessibilityFaults(page)).toEqual([]);
    await page.click("#teach-view-tab");
    await page.waitForSelector(".class-card");
    await page
      .locator(".class-card input[type=file]")
      .first()
      .setInputFiles(["star", "heart"].map((name) => `examples/pictures/${name}.jpg`));
    expect(await tooWide()).toEqual([]);
  });
});
