import { consoleFiles } from "@tensorgate/console";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBundledGateway } from "../support/running-gateway.ts";
import { openBrowser, whyNoBrowser } from "./support/browser.ts";

describe.skipIf(whyNoBrowser)("the API reference", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser?.close());

  test("shows every operation, and a call that is tried gets its reply from this gateway", async () => {
    await using running = await startBundledGateway({}, { console: consoleFiles() });
    const page = await browser.newPage();
    const faults: string[] = [];
    const origins = new Set<string>();
    page.on("pageerror", ({ message }) => faults.push(message));
    page.on("console", (message) => {
      if (message.type() === "error") faults.push(message.text());
    });
    page.on("request", (request) => origins.add(new URL(request.url()).origin));

    await page.goto(`${running.url}/docs`);
    await page.waitForSelector("#operations-Pictures-classify");
    expect(await page.locator(".opblock").count()).toBeGreaterThan(20);
    await page.click("#operations-Catalog-getModel .opblock-summary-control");
    await page.click("#operations-Catalog-getModel button.execute");
    await page.waitForSelector("#operations-Catalog-getModel .live-responses-table");

    const reply = await page.textContent("#operations-Catalog-getModel .live-responses-table");
    expect(reply).toContain("200");
    expect(reply).toContain('"labelCount": 16');
    // Its own files, and pictures that its style sheet holds.
    expect([...origins].filter((origin) => origin !== "null")).toEqual([running.url]);
    expect(faults).toEqual([]);
    await page.close();
  });
});
