import type { Browser, BrowserContextOptions, Page } from "playwright-core";

/** A page that reports what went wrong in it. */
export interface WatchedPage extends AsyncDisposable {
  readonly page: Page;
  readonly faults: readonly string[];
}

/** Opens the page of a gateway, and waits until it lists the models. */
export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({ permissions: ["camera"], ...options });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("pageerror", ({ message }) => faults.push(message));
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(message.text());
  });
  await page.goto(url);
  await page.waitForSelector("#model option", { state: "attached" });
  return { page, faults, [Symbol.asyncDispose]: () => context.close() };
}

/** Waits until the best label is `label`. */
export async function untilBest(page: Page, label: string): Promise<void> {
  await page.waitForFunction(
    (expected) => document.querySelector(".labels li span")?.textContent === expected,
    label,
  );
}
