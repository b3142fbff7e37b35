import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { consoleFiles } from "@tensorgate/console";
import type { GatewayDeps, GatewayOptions } from "@tensorgate/gateway";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../support/nginx.ts";
import { startBundledGateway } from "../support/running-gateway.ts";
import { accessibilityFaults } from "./support/axe.ts";
import { openBrowser, whyNoBrowser } from "./support/browser.ts";
import { startForeignServer } from "./support/foreign-page.ts";
import { openPage, untilBest } from "./support/open-page.ts";

const picture = (name: string) =>
  fileURLToPath(new URL(`../../examples/pictures/${name}.jpg`, import.meta.url));

/** Gateways of these tests have samples, as the demo has. */
const start = (options: Partial<GatewayOptions> = {}, deps: GatewayDeps = {}) =>
  startBundledGateway(options, { console: consoleFiles({ hasSamples: true }), ...deps });

/** Sets a slider as a user does who drags it. */
const drag = (page: Page, id: string, value: number) =>
  page.locator(`#${id}`).evaluate((slider, to) => {
    (slider as HTMLInputElement).value = String(to);
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  }, value);

describe.skipIf(whyNoBrowser)("the parts of the page", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser?.close());

  test("a sample is clicked, a threshold is dragged, and a region is lost", async () => {
    let hasOutage = false;
    const outages = {
      list: () => [{ region: "westeurope", hasOutage }],
      begin: () => {
        hasOutage = true;
      },
      end: async () => {
        hasOutage = false;
      },
    };
    await using running = await start({}, { outages });
    await using opened = await openPage(browser, `${running.url}/?model=shapes-detector`);
    const { page, faults } = opened;

    await page.click("[data-sample=scene-1]");
    await page.waitForSelector("#boxes rect");
    expect(await page.locator("#boxes rect").count()).toBe(4);
    await drag(page, "min-score", 0.92);
    await page.waitForFunction(() => document.querySelectorAll("#boxes rect").length === 2);
    expect(await page.locator(".labels li").count()).toBe(2);
    expect(await page.textContent("#call")).toContain("minScore=0.92");
    await page.fill("#at-most", "1");
    await page.waitForFunction(() => document.querySelectorAll("#boxes rect").length === 1);
    await page.click("#reset");
    await page.waitForFunction(() => document.querySelectorAll("#boxes rect").length === 4);

    await page.waitForSelector("[data-region=westeurope]");
    expect(await page.textContent("#story")).toContain("All calls go to westeurope");
    await page.click("#steady");
    await page.click("[data-region=westeurope]");
    await page.waitForFunction(() =>
      document.querySelector("#story")?.textContent?.startsWith("No region is left"),
    );
    await page.click("[data-region=westeurope]");
    await page.waitForFunction(() =>
      document.querySelector("#story")?.textContent?.startsWith("westeurope is back after"),
    );
    expect(await page.textContent("#story-news")).toBe("westeurope back");
    expect(await page.getAttribute("#latency", "aria-label")).toMatch(/\d+ ms in westeurope/);
    expect(await page.locator("#latency circle").count()).toBeGreaterThan(3);
    expect(faults).toEqual([]);
  });

  test("how the slots are shared with other gateways is said below the regions", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tensorgate-page-sharing-"));
    const secret = join(folder, "secret");
    writeFileSync(secret, "a secret of all gateways");
    const address = `127.0.0.1:${await freePort()}`;
    const lease = { file: join(folder, "owner") };
    const sharing = { address, host: "127.0.0.1", secret: { file: secret }, lease };
    await using running = await start({ sharing });
    await using opened = await openPage(browser, running.url);

    await opened.page.waitForFunction(() =>
      document.querySelector("#sharing")?.textContent?.includes("schedules the calls of 1 gateway"),
    );
    expect(await opened.page.isVisible("#sharing")).toBe(true);
    rmSync(folder, { recursive: true });
  });

  test("free devices of the cluster are listed below the regions, where the gateway counts them", async () => {
    await using apart = await start({ capacity: { resources: ["xilinx.com/fpga"] } });
    await using unknown = await openPage(browser, apart.url);
    await unknown.page.waitForFunction(() =>
      document
        .querySelector("#capacity")
        ?.textContent?.includes("unknown: the gateway runs outside of Kubernetes."),
    );

    const regions = [
      { name: "eastus", freeCount: 0, totalCount: 2 },
      { name: "westeurope", freeCount: 2, totalCount: 4 },
    ];
    const capacity = { devices: [{ resource: "xilinx.com/fpga", regions }], ageMs: 1_000 };
    await using running = await start({}, { joinStatus: (own) => ({ ...own, capacity }) });
    await using opened = await openPage(browser, running.url);
    await opened.page.waitForSelector("#capacity li");
    expect(await opened.page.locator("#capacity li").allTextContents()).toEqual([
      "No free xilinx.com/fpga in eastus (2 in use); westeurope has 2 of 4.",
    ]);
    expect(await accessibilityFaults(opened.page)).toEqual([]);

    await using plain = await start();
    await using without = await openPage(browser, plain.url);
    await without.page.waitForSelector("#regions tbody tr");
    expect(await without.page.isVisible("#capacity")).toBe(false);
  });

  test("model, task and sample are in the address, and a reload shows the same", async () => {
    await using running = await start();
    await using opened = await openPage(browser, running.url);
    const { page, faults } = opened;

    await page.click("[data-sample=moon]");
    await untilBest(page, "moon");
    await page.selectOption("#task", "embed");
    await page.waitForSelector(".features");
    expect(new URL(page.url()).search).toBe("?sample=moon&model=shapes&task=embed");
    await page.reload();
    await page.waitForSelector(".features");

    expect(await page.inputValue("#task")).toBe("embed");
    expect(await page.getAttribute("[data-sample=moon]", "aria-pressed")).toBe("true");
    await page.setInputFiles("#file", picture("star"));
    await page.waitForFunction(() => !location.search.includes("sample"));
    expect(faults).toEqual([]);
  });

  test("pointing at a label marks its box, and pointing at a box its label", async () => {
    await using running = await start();
    await using opened = await openPage(
      browser,
      `${running.url}/?model=shapes-detector&sample=scene-1`,
    );
    const { page } = opened;
    await page.waitForSelector("#boxes rect");

    await page.hover(".labels li:nth-child(2)");
    expect(await page.textContent("#boxes .marked text")).toMatch(/^plus/);
    await page.locator("#boxes g").first().locator("rect").hover();
    expect(await page.textContent(".labels .marked span")).toBe("triangle");
    await page.focus(".labels li:nth-child(3) button");
    await page.waitForFunction(() =>
      document.querySelector("#boxes g:nth-child(3)")?.classList.contains("marked"),
    );
  });

  test("several files are scored, each has its answer, and one that fails is alone", async () => {
    await using running = await start();
    await using opened = await openPage(browser, running.url);
    const { page } = opened;
    const text = { name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("hello") };

    await page.setInputFiles("#file", [picture("star"), picture("heart")]);
    await page.waitForFunction(() => {
      const captions = [...document.querySelectorAll("#strip button span:last-child")];
      return captions.map(({ textContent }) => textContent).join() === "star,heart";
    });
    await page.click("#strip li:nth-child(2) button");
    await untilBest(page, "heart");
    await page.setInputFiles("#file", text);
    await page.waitForSelector("#answer .error");

    // A browser shows an icon for a picture that it cannot read; the page shows its name.
    await page.waitForFunction(() => document.querySelector<HTMLElement>("#seen")?.hidden);
    expect(await page.textContent("#drop-text")).toContain("cannot show a.txt");
  });

  test("the response is shown as it came, and tensors are scored", async () => {
    await using running = await start();
    await using opened = await openPage(browser, `${running.url}/?model=shapes&sample=star`);
    const { page, faults } = opened;
    await untilBest(page, "star");

    await page.click("#raw-tab");
    const shown = JSON.parse(await page.inputValue("#raw")) as { results: [{ labels: unknown[] }] };
    expect(shown.results[0].labels).toHaveLength(5);
    await page.selectOption("#task", "predict");
    await page.waitForFunction(() =>
      document.querySelector<HTMLTextAreaElement>("#raw")?.value.includes('"predictions"'),
    );
    expect(await page.textContent("#facts")).toContain("scored in westeurope");
    expect(faults).toEqual([]);
  });

  test("calls are listed, and one that is opened shows what was sent and what came", async () => {
    await using running = await start();
    await using opened = await openPage(browser, `${running.url}/?sample=star`);
    const { page } = opened;
    await untilBest(page, "star");
    const text = { name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("hello") };
    await page.setInputFiles("#file", text);
    await page.waitForSelector("#answer .error");

    const rows = page.locator("#log-rows tr");
    expect(await rows.count()).toBe(2);
    expect(await rows.nth(0).textContent()).toMatch(/classify shapes–\d+ ms415/);
    expect(await rows.nth(1).textContent()).toMatch(/classify shapeswesteurope\d+ ms200/);
    await rows.nth(0).locator("button").click();
    expect(await page.textContent("#log-title")).toBe("POST /v1/classify/shapes");
    expect(await page.textContent("#log-request")).toContain("5 bytes");
    expect(await page.textContent("#log-response")).toContain('"reason": "unsupported-media"');
    await page.keyboard.press("Escape");
    expect(await page.isVisible("#log-entry")).toBe(false);
  });

  test("on a phone the answer is seen as soon as it is there", async () => {
    await using running = await start();
    await using opened = await openPage(browser, running.url, {
      viewport: { width: 390, height: 844 },
      isMobile: true,
      hasTouch: true,
    });
    const { page } = opened;

    await page.tap("[data-sample=star]");
    await untilBest(page, "star");

    await page.waitForFunction(() =>
      [...document.querySelectorAll(".labels li")].every((row) => {
        const { top, bottom } = row.getBoundingClientRect();
        return top >= 0 && bottom <= innerHeight;
      }),
    );
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
  });

  test("text in charts is as large on a phone as elsewhere", async () => {
    await using running = await start();
    await using opened = await openPage(browser, `${running.url}/?sample=star`, {
      viewport: { width: 390, height: 844 },
      isMobile: true,
    });
    const { page } = opened;
    await untilBest(page, "star");
    await page.waitForSelector("#latency text");

    const scales = await page
      .locator("#latency")
      .evaluateAll((charts) =>
        charts.map((chart) => (chart as SVGSVGElement).getScreenCTM()?.a ?? 0),
      );
    expect(scales.map((scale) => scale.toFixed(2))).toEqual(["1.00"]);
  });

  test("samples are shown by thumbnails, and scored as they are", async () => {
    await using running = await start();
    await using opened = await openPage(browser, running.url);
    const { page } = opened;
    await page.waitForSelector("[data-sample=star] img");

    const [shown] = await page
      .locator("[data-sample=star] img")
      .evaluateAll((images) => images.map((image) => (image as HTMLImageElement).currentSrc));
    const { body } = consoleFiles({ hasSamples: true }).get(new URL(shown ?? "").pathname) ?? {};
    expect(body?.byteLength).toBeLessThan(4_000);
    await page.click("[data-sample=star]");
    await untilBest(page, "star");
    expect(await page.textContent("#facts")).toContain("6.9 kB sent");
  });

  test("a model in the address that the gateway does not have is said to be missing", async () => {
    await using running = await start();
    await using opened = await openPage(browser, `${running.url}/?model=shpes`);
    const { page } = opened;

    expect(await page.textContent("#model-facts")).toContain(
      'No model "shpes" here; this is shapes.',
    );
    await page.selectOption("#model", "shapes-detector");
    expect(await page.textContent("#model-facts")).not.toContain("shpes");
  });

  test("where a key is needed, its field has the focus and an explanation", async () => {
    const sha256 = createHash("sha256").update("any").digest("hex");
    await using running = await start({ keys: [{ id: "page", sha256, models: ["*"] }] });
    const page = await browser.newPage();
    await page.goto(running.url);
    await page.waitForSelector("#key-form:not([hidden])");

    expect(await page.evaluate(() => document.activeElement?.id)).toBe("key");
    expect(await page.textContent("#key-why")).toContain("asks callers for a key");
    await page.close();
  });

  test.each(["classify", "detect", "embed", "predict"] as const)(
    "the browser snippet of %s works in a file and in a page of another port",
    async (task) => {
      const crossSite = { origins: ["http://127.0.0.1:*", "null"] };
      await using running = await start({ crossSite });
      const model = task === "detect" ? "shapes-detector" : "shapes";
      await using opened = await openPage(browser, `${running.url}/?model=${model}&task=${task}`);
      await opened.page.click("#languages >> text=Browser");
      const code = (await opened.page.textContent("#call")) ?? "";
      await using foreign = await startForeignServer({ "/pasted.html": code });
      const folder = mkdtempSync(join(tmpdir(), "tensorgate-pasted-"));
      writeFileSync(join(folder, "pasted.html"), code);

      const expected = { classify: "star", detect: "boxes", embed: "0", predict: "predictions" };
      for (const url of [
        pathToFileURL(join(folder, "pasted.html")).href,
        `${foreign.origin}/pasted.html`,
      ]) {
        const page = await browser.newPage();
        await page.goto(url);
        await page.setInputFiles("input", picture(task === "detect" ? "scene-1" : "star"));
        await page.waitForFunction(
          (text) => document.querySelector("#answer")?.textContent?.includes(text),
          expected[task],
        );
        await page.close();
      }
      rmSync(folder, { recursive: true });
    },
  );

  test("a page whose origin is not allowed can read why", async () => {
    await using running = await start();
    await using foreign = await startForeignServer();
    const page = await browser.newPage();
    await page.goto(foreign.origin);

    const refusal = await page.evaluate(async (url) => {
      const headers = { "content-type": "image/jpeg", authorization: "Bearer x" };
      const response = await fetch(url, { method: "POST", headers, body: "picture" });
      return (await response.json()) as { readonly hint: string };
    }, `${running.url}/v1/classify/shapes`);

    expect(refusal.hint).toBe("list the origin under crossSite.origins");
    await page.close();
  });
});
