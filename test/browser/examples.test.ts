import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { consoleFiles } from "@tensorgate/console";
import type { Browser, Page } from "playwright-core";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { snippet } from "../../packages/console/page/call/snippets.ts";
import { type RunningGateway, startBundledGateway } from "../support/running-gateway.ts";
import { openBrowser, whyNoBrowser } from "./support/browser.ts";
import { type ForeignServer, startForeignServer } from "./support/foreign-page.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const picture = (name: string) => here(`../../examples/pictures/${name}.jpg`);

/** The React component in a page that says which gateway to ask. */
async function reactPage(): Promise<string> {
  const entry = `
    import { createElement } from "react";
    import { createRoot } from "react-dom/client";
    import { PictureLabels } from ${JSON.stringify(here("../../examples/react/PictureLabels.tsx"))};
    const baseUrl = new URLSearchParams(location.search).get("gateway");
    createRoot(document.querySelector("#root"))
      .render(createElement(PictureLabels, { baseUrl, model: "shapes" }));`;
  const built = await build({
    root: here("../.."),
    configFile: false,
    logLevel: "warn",
    resolve: { conditions: ["@tensorgate/source", "import", "module", "browser", "default"] },
    plugins: [
      {
        name: "entry",
        resolveId: (name) => (name === "entry" ? "\0entry.js" : undefined),
        load: (name) => (name === "\0entry.js" ? entry : undefined),
      },
    ],
    oxc: { jsx: { runtime: "automatic" } },
    build: { write: false, rolldownOptions: { input: "entry" } },
  });
  const [output] = [built].flat().flatMap((each) => ("output" in each ? each.output : []));
  return output?.type === "chunk" ? output.code : "";
}

describe.skipIf(whyNoBrowser)("examples in a browser", () => {
  let browser: Browser;
  let foreign: ForeignServer;
  let running: RunningGateway;
  beforeAll(async () => {
    browser = await openBrowser();
    const files: Record<string, string> = {
      "/example.html": readFileSync(here("../../examples/browser/index.html"), "utf8"),
      "/react.html": '<div id="root"></div><script type="module" src="/react.js"></script>',
      "/react.js": await reactPage(),
    };
    foreign = await startForeignServer(files);
    const crossSite = { origins: [foreign.origin] };
    running = await startBundledGateway({ crossSite }, { console: consoleFiles() });
    files["/snippet.html"] = snippet("Browser", {
      origin: running.url,
      task: "detect",
      model: "shapes-detector",
      needsKey: false,
      file: "any.jpg",
      contentType: "image/jpeg",
    });
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await running?.[Symbol.asyncDispose]();
    await foreign?.[Symbol.asyncDispose]();
  });

  async function open(path: string): Promise<Page> {
    const page = await browser.newPage();
    await page.goto(`${foreign.origin}${path}?gateway=${encodeURIComponent(running.url)}`);
    return page;
  }

  test("the page of another origin tells what a picture is, and what went wrong", async () => {
    const page = await open("/example.html");

    await page.setInputFiles("#picture", picture("house"));
    await page.waitForFunction(() => document.body.textContent?.includes("house, "));
    const text = { name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("hello") };
    await page.setInputFiles("#picture", text);
    await page.waitForFunction(() => document.body.textContent?.includes("Hint:"));
    await page.close();
  });

  test("the React component shows labels, a failure, and labels again", async () => {
    const page = await open("/react.html");

    await page.setInputFiles("input", picture("heart"));
    await page.waitForFunction(() => document.querySelector("li")?.textContent?.includes("heart"));
    const text = { name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("hello") };
    await page.setInputFiles("input", text);
    await page.waitForSelector("[role=alert]");
    expect(await page.locator("li").count()).toBe(0);
    await page.setInputFiles("input", picture("moon"));
    await page.waitForFunction(() => document.querySelector("li")?.textContent?.includes("moon"));
    expect(await page.locator("[role=alert]").count()).toBe(0);
    await page.close();
  });

  test("what the page prints for browsers works as it is printed", async () => {
    const page = await open("/snippet.html");

    await page.setInputFiles("input", picture("scene-2"));
    await page.waitForFunction(() => document.body.textContent?.includes('"label": "heart"'));
    await page.close();
  });
});
