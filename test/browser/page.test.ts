import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { consoleFiles } from "@tensorgate/console";
import type { Browser } from "playwright-core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { avifFile, codedItem, irot } from "../corpus/avif-files.ts";
import { gifColour, gifFile } from "../corpus/gif-files.ts";
import { colourAt, pixelsOf } from "../corpus/pixels.ts";
import { samplePicture } from "../support/pictures.ts";
import {
  shapesModel,
  startBundledGateway,
  startShapesGateway,
} from "../support/running-gateway.ts";
import { accessibilityFaults } from "./support/axe.ts";
import { openBrowser, whyNoBrowser } from "./support/browser.ts";
import { openPage, untilBest } from "./support/open-page.ts";

const picture = (name: string) =>
  fileURLToPath(new URL(`../../examples/pictures/${name}.jpg`, import.meta.url));

interface RestResult {
  readonly labels: readonly { readonly label: string }[];
  readonly boxes: readonly { readonly box: Readonly<Record<string, number>> }[];
  readonly image: { readonly width: number; readonly height: number };
}

describe.skipIf(whyNoBrowser)("the page", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser?.close());

  const open = (url: string) => openPage(browser, url);

  test("a picture that is chosen, dropped or pasted is scored, and what it cost is shown", async () => {
    await using running = await startBundledGateway({}, { console: consoleFiles() });
    await using opened = await open(running.url);
    const { page, faults } = opened;

    await page.setInputFiles("#file", picture("star"));
    await untilBest(page, "star");
    expect(await page.textContent("#facts")).toContain("scored in westeurope · 6.9 kB sent");
    expect(await page.textContent("#cost")).toMatch(/\d ms.*device/);
    expect(await page.textContent("#model-facts")).toContain("224 × 224 pixels");

    for (const [how, name] of [
      ["drop", "heart"],
      ["paste", "moon"],
    ] as const) {
      const base64 = Buffer.from(samplePicture(name)).toString("base64");
      await page.evaluate(
        ({ type, text }) => {
          const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
          const data = new DataTransfer();
          data.items.add(new File([bytes], `${type}.jpg`, { type: "image/jpeg" }));
          const event =
            type === "drop"
              ? new DragEvent("drop", { dataTransfer: data, bubbles: true })
              : new ClipboardEvent("paste", { clipboardData: data, bubbles: true });
          document.querySelector("#drop")?.dispatchEvent(event);
        },
        { type: how, text: base64 },
      );
      await untilBest(page, name);
    }
    expect(faults).toEqual([]);
  });

  test("boxes are drawn over the picture, and a failure takes their place", async () => {
    await using running = await startBundledGateway({}, { console: consoleFiles() });
    await using opened = await open(running.url);
    const { page } = opened;

    await page.selectOption("#model", "shapes-detector");
    await page.setInputFiles("#file", picture("scene-2"));
    await page.waitForSelector("#boxes rect");
    expect((await page.locator("#boxes text").allTextContents()).toSorted()).toEqual([
      expect.stringMatching(/^cross \d+ %$/),
      expect.stringMatching(/^heart \d+ %$/),
    ]);
    expect(await page.getAttribute("#boxes", "viewBox")).toBe("0 0 480 480");

    const text = { name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("hello") };
    await page.setInputFiles("#file", text);
    await page.waitForSelector("#answer .error");
    expect(await page.textContent("#answer")).toContain("Hint:");
    expect(await page.locator("#boxes rect").count()).toBe(0);
  });

  test("files that few programs read have the labels and boxes that REST gives", async () => {
    await using running = await startBundledGateway({}, { console: consoleFiles() });
    await using opened = await open(running.url);
    const { page } = opened;
    const scene = sharp(samplePicture("scene-2")).resize(480, 360, { fit: "fill" });
    const png = await scene.png().toBuffer();
    const sideways = sharp(await sharp(png).rotate(270).png().toBuffer());
    const coded = codedItem(await sideways.clone().avif({ effort: 0 }).toBuffer());
    const items = [{ ...coded, transformations: [irot(3)] }];
    const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
    const pixels = pixelsOf(info.width, info.height, (x, y) =>
      gifColour(colourAt({ widthPx: info.width, heightPx: info.height, data }, x, y)),
    );
    const frame = { leftPx: 0, topPx: 0, pixels, isInterlaced: false, hasOwnPalette: false };
    const screen = { widthPx: 640, heightPx: 480 };
    const files = [
      {
        name: "turned.jpg",
        buffer: await sideways.clone().withMetadata({ orientation: 6 }).jpeg().toBuffer(),
      },
      { name: "cmyk.jpg", buffer: await sharp(png).toColourspace("cmyk").jpeg().toBuffer() },
      {
        name: "turned.avif",
        buffer: avifFile({ items, primaryIndex: 0, hasWideNumbers: false, boxes: [] }),
      },
      {
        name: "small-frame.gif",
        buffer: gifFile({ version: "89a", screen, extensions: [], frames: [frame] }),
      },
    ];
    const asked = async (path: string, body: Buffer) => {
      const url = `${running.url}${path}`;
      const response = await fetch(url, { method: "POST", body: new Uint8Array(body) });
      return ((await response.json()) as { results: [RestResult] }).results[0];
    };

    for (const { name, buffer } of files) {
      const mimeType = `image/${name.replace(/.*\./, "")}`;
      await page.selectOption("#model", "shapes");
      await page.setInputFiles("#file", { name, mimeType, buffer });
      const { labels } = await asked("/v1/classify/shapes", buffer);
      await untilBest(page, labels[0]?.label ?? "");

      await page.selectOption("#model", "shapes-detector");
      await page.waitForSelector("#boxes rect");
      const { boxes, image } = await asked("/v1/detect/shapes-detector", buffer);
      await page.waitForFunction(
        (expected) => document.querySelector("#boxes")?.getAttribute("viewBox") === expected,
        `0 0 ${image.width} ${image.height}`,
      );
      const shown = await page
        .locator("#boxes rect")
        .evaluateAll((all) =>
          all.map((each) =>
            Object.fromEntries(
              ["x", "y", "width", "height"].map((side) => [side, Number(each.getAttribute(side))]),
            ),
          ),
        );
      expect(shown).toHaveLength(boxes.length);
      // The page sends no more pixels than the model looks at, so that boxes may be off by some.
      boxes.forEach(({ box }, index) => {
        for (const [side, value] of Object.entries(box)) {
          expect(Math.abs((shown[index]?.[side] ?? Number.NaN) - value), name).toBeLessThan(8);
        }
      });
    }
  });

  test("the label follows what is drawn", async () => {
    await using running = await startBundledGateway({}, { console: consoleFiles() });
    await using opened = await open(running.url);
    const { page, faults } = opened;
    await page.click("#draw-tab");
    const box = await page.locator("#canvas").boundingBox();
    const at = (x: number, y: number) =>
      [(box?.x ?? 0) + x * (box?.width ?? 0), (box?.y ?? 0) + y * (box?.height ?? 0)] as const;

    await page.mouse.move(...at(0.2, 0.5));
    await page.mouse.down();
    await page.mouse.move(...at(0.8, 0.5), { steps: 8 });
    await page.mouse.up();
    await page.mouse.move(...at(0.5, 0.2));
    await page.mouse.down();
    await page.mouse.move(...at(0.5, 0.8), { steps: 8 });
    await page.mouse.up();

    await untilBest(page, "plus");
    // Another model is asked at once.
    await page.selectOption("#model", "shapes-detector");
    await page.waitForFunction(() =>
      document.querySelector("#call")?.textContent?.includes("/v1/detect/"),
    );
    await page.waitForSelector("#drawn-boxes rect");
    await page.click("#clear");
    expect(await page.locator("#drawn-boxes rect").count()).toBe(0);
    expect(faults).toEqual([]);
  });

  test("the camera is scored live, until it is stopped", async () => {
    await using running = await startBundledGateway({}, { console: consoleFiles() });
    await using opened = await open(running.url);
    const { page, faults } = opened;

    await page.click("#camera-tab");
    await page.click("#camera");
    await page.waitForFunction(() =>
      document.querySelector("#frame-rate")?.textContent?.includes("frames per second"),
    );
    await page.waitForSelector(".labels li");
    expect(await page.textContent("#camera")).toBe("Stop the camera");
    await page.click("#camera");

    expect(await page.textContent("#camera")).toBe("Start the camera");
    expect(
      await page.evaluate(() => document.querySelector<HTMLVideoElement>("#video")?.srcObject),
    ).toBeNull();
    expect(faults).toEqual([]);
  });

  test("a camera that is allowed after the user stopped it is released", async () => {
    await using running = await startBundledGateway({}, { console: consoleFiles() });
    await using opened = await open(running.url);
    const { page } = opened;
    await page.evaluate(() => {
      const state = window as unknown as { allow: () => void; track: MediaStreamTrack };
      const stream = document.createElement("canvas").captureStream();
      state.track = stream.getVideoTracks()[0] as MediaStreamTrack;
      navigator.mediaDevices.getUserMedia = () =>
        new Promise((resolve) => {
          state.allow = () => resolve(stream);
        });
    });
    await page.click("#camera-tab");
    await page.click("#camera");
    await page.click("#camera");

    const state = await page.evaluate(async () => {
      const { allow, track } = window as unknown as { allow: () => void; track: MediaStreamTrack };
      allow();
      await new Promise((resolve) => requestAnimationFrame(resolve));
      return track.readyState;
    });

    expect(state).toBe("ended");
    expect(await page.textContent("#camera")).toBe("Start the camera");
  });

  test("the keyboard does what the mouse does, and everything has a name", async () => {
    await using running = await startBundledGateway({}, { console: consoleFiles() });
    await using opened = await open(running.url);
    const { page } = opened;

    await page.focus("#file-tab");
    await page.keyboard.press("ArrowRight");
    expect(await page.isVisible("#canvas")).toBe(true);
    expect(await page.getAttribute("#draw-tab", "aria-selected")).toBe("true");
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("ArrowLeft");
    expect(await page.isVisible("#video")).toBe(true);

    const nameless = await page.evaluate(() =>
      [
        ...document.querySelectorAll<HTMLElement>(
          "button, input, select, video, canvas, [role=img]",
        ),
      ]
        .filter((each) => {
          const labelled = (each as HTMLInputElement).labels?.length ?? 0;
          return !each.textContent?.trim() && !each.ariaLabel && labelled === 0;
        })
        .map(({ outerHTML }) => outerHTML),
    );
    expect(nameless).toEqual([]);
  });

  test.each(["light", "dark"] as const)("axe finds nothing in %s", async (colorScheme) => {
    await using running = await startBundledGateway({}, { console: consoleFiles() });
    await using opened = await open(running.url);
    const { page } = opened;
    await page.emulateMedia({ colorScheme });
    await page.selectOption("#model", "shapes-detector");
    await page.setInputFiles("#file", picture("scene-2"));
    await page.waitForSelector("#boxes rect");
    await page.waitForSelector(".replica.ready");

    expect(await accessibilityFaults(page)).toEqual([]);
  });

  test("nothing is wider than a phone", async () => {
    await using running = await startBundledGateway(
      {},
      {
        console: consoleFiles(),
        outages: {
          list: () => [{ region: "westeurope", hasOutage: false }],
          begin: () => {},
          end: async () => {},
        },
      },
    );
    await using opened = await open(running.url);
    const { page } = opened;
    await page.setViewportSize({ width: 360, height: 740 });
    await page.setInputFiles("#file", picture("star"));
    await untilBest(page, "star");
    await page.waitForSelector(".replica.ready");

    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
  });

  test("a model with the classes of photographs is offered photographs, also one that comes later", async () => {
    const labels = Array.from({ length: 1_000 }, (_, index) => `class ${index}`);
    const photo = { ...shapesModel(), name: "photo", labels };
    await using running = await startBundledGateway(
      {},
      { console: consoleFiles({ hasSamples: true }) },
    );
    const { gateway } = running;
    const { address = "" } = gateway.status().regions[0]?.pools[0]?.replicas[0] ?? {};
    await using opened = await open(running.url);
    const { page } = opened;
    await page.waitForSelector('[data-sample="star"]:visible');
    expect(await page.locator('[data-sample="photo-alp"]').isVisible()).toBe(false);

    const pool = (model: string) => ({ model, region: "westeurope", replicas: [address] });
    gateway.reload({ models: [shapesModel(), photo], pools: [pool("shapes"), pool("photo")] });
    await page.waitForSelector("#model option[value=photo]", { state: "attached" });
    expect(await page.inputValue("#model")).toBe("shapes");
    await page.selectOption("#model", "photo");

    await page.waitForSelector('[data-sample="photo-alp"]:visible');
    expect(await page.locator('[data-sample="star"]').isVisible()).toBe(false);
  });

  test("the snippets are of the call at hand", async () => {
    await using running = await startBundledGateway({}, { console: consoleFiles() });
    await using opened = await open(running.url);
    const { page } = opened;
    await page.setInputFiles("#file", picture("star"));

    expect(await page.textContent("#call")).toBe(
      `curl --data-binary @star.jpg -H 'content-type: image/jpeg' ${running.url}/v1/classify/shapes`,
    );
    await page.click("#languages >> text=Node");
    expect(await page.textContent("#call")).toContain(
      'await client.classify("shapes", "star.jpg")',
    );
  });

  test("regions are shown as they are, and one that is taken away costs no call", async () => {
    const outageOf = new Map([["westeurope", false]]);
    const list = () => [...outageOf].map(([region, hasOutage]) => ({ region, hasOutage }));
    const begin = (region: string) => void outageOf.set(region, true);
    const end = async (region: string) => void outageOf.set(region, false);
    await using running = await startBundledGateway(
      {},
      { console: consoleFiles(), outages: { list, begin, end } },
    );
    await using opened = await open(running.url);
    const { page, faults } = opened;
    await page.waitForSelector("[data-region=westeurope]");
    expect(await page.textContent("#regions tbody th")).toBe("westeurope (here)");
    expect(await page.locator(".replica.ready").count()).toBe(2);

    const outage = page.locator("[data-region=westeurope]");
    await page.locator("#steady").scrollIntoViewIfNeeded();
    const before = await outage.boundingBox();
    await page.click("#steady");
    await page.waitForFunction(() => Number(document.querySelector("#answered")?.textContent) > 2);
    await page.waitForSelector("#regions .latency >> text=/ms/");
    // What changes every second moves no button: the click in which it moved would be lost.
    expect(await outage.boundingBox()).toMatchObject({ y: before?.y, height: before?.height });
    // A new status comes while the button is held down.
    await page.hover("[data-region=westeurope]");
    await page.mouse.down();
    const pressed = await page.evaluateHandle(
      () =>
        new Promise<void>((resolve) => {
          const cell = document.querySelector("#regions .sparkline")?.parentElement;
          if (cell) new MutationObserver(() => resolve()).observe(cell, { childList: true });
        }),
    );
    await pressed.dispose();
    await page.mouse.up();
    await page.waitForSelector("text=End outage");
    expect(outageOf.get("westeurope")).toBe(true);
    await page.click("[data-region=westeurope]");
    await page.waitForSelector("text=Simulate outage");
    expect(await page.textContent("#failed")).toBe("0");
    expect(faults).toEqual([]);
  });

  test("replicas that are not ready are described in words, and what waits is shown", async () => {
    const gone = "127.0.0.1:9";
    await using running = await startBundledGateway({}, { console: consoleFiles() });
    const { gateway } = running;
    const { address = "" } = gateway.status().regions[0]?.pools[0]?.replicas[0] ?? {};
    gateway.reload({
      models: [shapesModel()],
      pools: [{ model: "shapes", region: "westeurope", replicas: [address, gone] }],
    });
    await using opened = await open(running.url);
    const { page, faults } = opened;
    await page.waitForSelector(".replica.ejected, .replica.warming");

    const cell = page.locator("#regions td.replicas");
    expect(await cell.innerText()).toMatch(/1\s(ejected|warming)/);
    expect(await page.locator(".replica.ready").getAttribute("title")).toBe(
      "westeurope-1 of shapes: ready",
    );
    expect(await page.locator("#regions tbody td:nth-of-type(5)").textContent()).toBe(
      "0, next in 0 ms",
    );
    expect(faults).toEqual([]);
  });

  test("where a key is needed it is asked for, and used", async () => {
    const key = `tg_page_${"s".repeat(43)}`;
    const sha256 = createHash("sha256").update(key).digest("hex");
    const keys = [{ id: "page", sha256, models: ["*"] }];
    await using running = await startShapesGateway({ keys }, { console: consoleFiles() });
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(running.url);
    await page.waitForSelector("#key-form:not([hidden])");

    await page.fill("#key", key);
    await page.keyboard.press("Enter");
    await page.waitForSelector("#model option", { state: "attached" });
    await page.setInputFiles("#file", picture("star"));
    await untilBest(page, "star");

    expect(await page.isVisible("#key-form")).toBe(false);
    expect(await page.textContent("#call")).toContain("$TENSORGATE_API_KEY");
    expect(await page.content()).not.toContain(key);
    await context.close();
  });

  test("a model whose weights are made up says so", async () => {
    const models = [{ ...shapesModel(), weights: "seeded" as const }];
    await using running = await startShapesGateway({ models }, { console: consoleFiles() });
    await using opened = await open(running.url);

    expect(await opened.page.isVisible("#banner")).toBe(true);
  });

  test("the browser client of the README works as it is printed there", async () => {
    const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
    const snippet = /```js\n(const \{ ScoringClient \}[\s\S]*?)```/.exec(readme)?.[1] ?? "";
    await using running = await startBundledGateway({}, { console: consoleFiles() });
    await using opened = await open(running.url);
    const { page } = opened;
    await page.click("#draw-tab");

    const result = await page.evaluate(`(async () => { ${snippet}; return [...labels]; })()`);

    expect(snippet).not.toBe("");
    expect(result).toHaveLength(5);
  });
});
