/**
 * Takes the pictures of the page in the README from a demo that runs: `page-screens.ts http://127.0.0.1:8080`.
 *
 * Simulates an outage of the demo's first region, and ends it.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type BrowserContextOptions, chromium, type Page } from "playwright-core";
import sharp from "sharp";

const [url = "http://127.0.0.1:8080"] = process.argv.slice(2);
const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
if (!existsSync(executablePath)) throw new Error("install Chromium, or name one in CHROMIUM");
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });

async function screen(
  name: string,
  options: BrowserContextOptions,
  show: (page: Page) => Promise<void>,
): Promise<void> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  await show(page);
  const file = fileURLToPath(new URL(`../docs/images/${name}.webp`, import.meta.url));
  await sharp(await page.screenshot())
    .webp({ quality: 75, effort: 6 })
    .toFile(file);
  await context.close();
}

const calls = (page: Page, count: number) =>
  page.waitForFunction(
    (expected) => Number(document.querySelector("#answered")?.textContent) >= expected,
    count,
  );

await screen("page", { viewport: { width: 1180, height: 1540 } }, async (page) => {
  await page.goto(`${url}/?model=shapes-detector&sample=scene-1`);
  await page.waitForSelector("#boxes rect");
  await page.waitForSelector(".replica.ready");
  await page.click("#steady");
  await calls(page, 30);
  await page.locator("[data-region]").first().click();
  await calls(page, 90);
  await page.locator("[data-region]").first().click();
  await page.waitForFunction(() =>
    document.querySelector("#story")?.textContent?.includes("is back after"),
  );
  await calls(page, 130);
  await page.hover(".labels li:nth-child(2)");
  await page.evaluate(() => scrollTo(0, 0));
});
const phone = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
await screen("page-phone", phone, async (page) => {
  await page.goto(url);
  await page.tap("[data-sample=star]");
  await page.waitForSelector(".labels li");
});
const dark = { viewport: { width: 1180, height: 844 }, colorScheme: "dark" as const };
await screen("page-dark", dark, async (page) => {
  await page.goto(`${url}/?sample=heart`);
  await page.waitForSelector(".labels li");
});
await browser.close();
