import { consoleFiles } from "@tensorgate/console";
import type * as tensorgate from "@tensorgate/web-client";
import type { Browser, BrowserContext, Page } from "playwright-core";
import sharp, { type Sharp } from "sharp";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { samplePicture } from "../support/pictures.ts";
import { type RunningGateway, startBundledGateway } from "../support/running-gateway.ts";
import { openBrowser, whyNoBrowser } from "./support/browser.ts";
import { type ForeignServer, startForeignServer } from "./support/foreign-page.ts";

declare global {
  interface Window {
    tensorgate: typeof tensorgate;
    client: tensorgate.ScoringClient;
  }
}

/** Scores of a picture that was encoded again differ a little. */
const tolerance = 0.02;

/** What turns a picture so that each Exif orientation turns it back. Mirrors come before turns. */
const turns: readonly ((picture: Sharp) => Sharp)[] = [
  (picture) => picture,
  (picture) => picture.flop(),
  (picture) => picture.rotate(180),
  (picture) => picture.flip(),
  (picture) => picture.flop().rotate(270),
  (picture) => picture.rotate(270),
  (picture) => picture.flop().rotate(90),
  (picture) => picture.rotate(90),
];

/** A scene as a camera would have it: 4000 pixels wide, noise and all. */
function photo(): Sharp {
  return sharp(samplePicture("scene-2")).resize(4_000, 3_000, { fit: "fill" });
}

describe.skipIf(whyNoBrowser)("the browser client", () => {
  let browser: Browser;
  let foreign: ForeignServer;
  let other: ForeignServer;
  let running: RunningGateway;
  let context: BrowserContext;
  let page: Page;
  beforeAll(async () => {
    const photoJpeg = await photo().jpeg({ quality: 95 }).toBuffer();
    const turned = await Promise.all(
      turns.map(async (turn, index) => {
        const upright = sharp(samplePicture("scene-2")).resize(1_600, 1_200, { fit: "fill" });
        const raw = await turn(sharp(await upright.png().toBuffer()))
          .png()
          .toBuffer();
        const tagged = sharp(raw)
          .withMetadata({ orientation: index + 1 })
          .jpeg({ quality: 97 });
        return [`/turned/${index + 1}.jpg`, await tagged.toBuffer()] as const;
      }),
    );
    // The first bytes of a HEIC file, and nothing that any browser decodes.
    const heic = Buffer.concat([
      Buffer.from("\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
      Buffer.alloc(200_000),
    ]);
    foreign = await startForeignServer({
      "/photo.jpg": photoJpeg,
      "/photo.heic": heic,
      ...Object.fromEntries(turned),
    });
    other = await startForeignServer();
    running = await startBundledGateway(
      { crossSite: { origins: [foreign.origin] } },
      { console: consoleFiles() },
    );
    browser = await openBrowser();
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await running?.[Symbol.asyncDispose]();
    await foreign?.[Symbol.asyncDispose]();
    await other?.[Symbol.asyncDispose]();
  });

  beforeEach(async () => {
    context = await browser.newContext();
    page = await context.newPage();
    await page.goto(foreign.pageFor(running.url));
    await page.waitForSelector("body[data-ready]", { state: "attached", timeout: 5_000 });
  });
  afterEach(() => context.close());

  test("a picture has the same labels from a file, pixels and elements, as plain REST gives them", async () => {
    const response = await fetch(`${running.url}/v1/classify/shapes`, {
      method: "POST",
      body: samplePicture("star"),
    });
    const [expected] = ((await response.json()) as { results: { labels: Label[] }[] }).results;

    const found = await page.evaluate(async () => {
      const blob = await (await fetch("/pictures/star.jpg")).blob();
      const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
      const canvas = Object.assign(document.createElement("canvas"), {
        width: bitmap.width,
        height: bitmap.height,
      });
      const drawing = canvas.getContext("2d");
      drawing?.drawImage(bitmap, 0, 0);
      const image = Object.assign(new Image(), { src: "/pictures/star.jpg" });
      const offscreen = new OffscreenCanvas(bitmap.width, bitmap.height);
      offscreen.getContext("2d")?.drawImage(bitmap, 0, 0);
      const inputs: Record<string, tensorgate.PictureInput> = {
        blob,
        file: new File([blob], "star.jpg", { type: "image/jpeg" }),
        buffer: await blob.arrayBuffer(),
        canvas,
        image,
        offscreen,
        bitmap,
        pixels: drawing?.getImageData(0, 0, canvas.width, canvas.height) as ImageData,
        frame: new VideoFrame(canvas, { timestamp: 0 }),
      };
      const labels: Record<string, Label[]> = {};
      for (const [name, input] of Object.entries(inputs)) {
        labels[name] = [...(await window.client.classify("shapes", input))];
      }
      return labels;
    });

    for (const [name, labels] of Object.entries(found)) {
      const isEncoded = ["blob", "file", "buffer"].includes(name);
      expect(labels.map(({ label }) => label)[0], name).toBe("star");
      for (const { index, score } of expected?.labels.slice(0, 2) ?? []) {
        const same = labels.find((each) => each.index === index)?.score ?? 0;
        if (isEncoded) expect(same, name).toBe(score);
        else expect(Math.abs(same - score), name).toBeLessThan(tolerance);
      }
    }
  });

  test("a photo of 12 megapixels is sent in less than 100 kB, and its boxes come in its own pixels", async () => {
    const { fitted, whole, bytes } = await page.evaluate(async () => {
      const blob = await (await fetch("/photo.jpg")).blob();
      const small = await window.client.detect("shapes-detector", blob);
      const off = await window.client.detect("shapes-detector", blob, { fit: "off" });
      return {
        bytes: blob.size,
        fitted: { ...small, upload: small.meta.upload },
        whole: { ...off, upload: off.meta.upload },
      };
    });

    expect(bytes).toBeGreaterThan(1_000_000);
    expect(fitted.upload?.bytes).toBeLessThan(100_000);
    expect(fitted.upload).toMatchObject({ savedBytes: bytes - (fitted.upload?.bytes ?? 0) });
    expect(whole.upload).toEqual({ bytes, savedBytes: 0 });
    expect(fitted.image).toEqual({ width: 4_000, height: 3_000 });
    expect(whole.image).toEqual(fitted.image);
    expect(fitted.boxes.map(({ label }) => label).toSorted()).toEqual(["cross", "heart"]);
    for (const { label, box, score } of whole.boxes) {
      const same = fitted.boxes.find((each) => each.label === label);
      expect(Math.abs((same?.score ?? 0) - score)).toBeLessThan(tolerance);
      for (const side of ["x", "y", "width", "height"] as const) {
        expect(Math.abs((same?.box[side] ?? 0) - box[side]), `${label} ${side}`).toBeLessThan(40);
      }
    }
  });

  test("all eight orientations of Exif have the same boxes", async () => {
    const all = await page.evaluate(async () => {
      const found = [];
      for (let orientation = 1; orientation <= 8; orientation += 1) {
        const blob = await (await fetch(`/turned/${orientation}.jpg`)).blob();
        const { boxes, image, meta } = await window.client.detect("shapes-detector", blob);
        found.push({ boxes: [...boxes], image, savedBytes: meta.upload?.savedBytes ?? 0 });
      }
      return found;
    });

    const byLabel = (boxes: readonly tensorgate.DetectedBox[]) =>
      boxes.toSorted((a, b) => a.label.localeCompare(b.label));
    const [first, ...others] = all;
    expect(first?.image).toEqual({ width: 1_600, height: 1_200 });
    expect(byLabel(first?.boxes ?? []).map(({ label }) => label)).toEqual(["cross", "heart"]);
    expect(first?.savedBytes).toBeGreaterThan(0);
    for (const { boxes, image } of others) {
      expect(image).toEqual(first?.image);
      byLabel(boxes).forEach(({ label, box, score }, index) => {
        const same = byLabel(first?.boxes ?? [])[index];
        expect(label).toBe(same?.label);
        expect(Math.abs(score - (same?.score ?? 0))).toBeLessThan(tolerance);
        expect(Math.abs(box.x - (same?.box.x ?? 0))).toBeLessThan(16);
        expect(Math.abs(box.y - (same?.box.y ?? 0))).toBeLessThan(16);
      });
    }
  });

  test.each([
    {
      what: "a canvas that shows a picture of another origin",
      ask: async (elsewhere: string) => {
        const image = Object.assign(new Image(), { src: `${elsewhere}/pictures/star.jpg` });
        await image.decode();
        const canvas = Object.assign(document.createElement("canvas"), { width: 9, height: 9 });
        canvas.getContext("2d")?.drawImage(image, 0, 0);
        await window.client.classify("shapes", canvas);
      },
      reason: "invalid-request",
      text: "the canvas is of another origin, so this page may not read it",
    },
    {
      what: "a picture of another origin",
      ask: async (elsewhere: string) => {
        const image = Object.assign(new Image(), { src: `${elsewhere}/pictures/star.jpg` });
        await window.client.classify("shapes", image);
      },
      reason: "invalid-request",
      text: "the image is of another origin, so this page may not read it",
    },
    {
      what: "a picture that is not there",
      ask: async () => {
        const image = Object.assign(new Image(), { src: "/nothing.jpg" });
        await window.client.classify("shapes", image);
      },
      reason: "invalid-request",
      text: "the image cannot be read",
    },
    {
      what: "a canvas of no size",
      ask: async () => {
        const canvas = Object.assign(document.createElement("canvas"), { width: 0, height: 9 });
        await window.client.classify("shapes", canvas);
      },
      reason: "invalid-request",
      text: "the canvas is 0×9 pixels",
    },
    {
      what: "a video that shows nothing",
      ask: async () => {
        await window.client.classify("shapes", document.createElement("video"));
      },
      reason: "invalid-request",
      text: "the video is 0×0 pixels",
    },
    {
      what: "a frame that was closed",
      ask: async () => {
        const canvas = new OffscreenCanvas(8, 8);
        canvas.getContext("2d")?.fillRect(0, 0, 8, 8);
        const frame = new VideoFrame(canvas, { timestamp: 0 });
        frame.close();
        await window.client.classify("shapes", frame);
      },
      reason: "invalid-request",
      text: "the frame is 0×0 pixels",
    },
    {
      what: "a file that is no picture",
      ask: async () => {
        await window.client.classify(
          "shapes",
          new File(["hello"], "a.txt", { type: "text/plain" }),
        );
      },
      reason: "unsupported-media",
      text: "Hint:",
    },
    {
      what: "HEIC, which this browser does not decode and this gateway does not take",
      ask: async () => {
        const heic = await (await fetch("/photo.heic")).blob();
        await window.client.classify("shapes", new File([heic], "a.heic", { type: "image/heic" }));
      },
      reason: "unsupported-media",
      text: "Hint:",
    },
    {
      what: "a key that every user could read",
      ask: async () => {
        new window.tensorgate.ScoringClient({ apiKey: "tg_a_secret" });
      },
      reason: undefined,
      text: "dangerouslyAllowBrowser",
    },
  ])("$what fails", async ({ ask, reason, text }) => {
    const failure = page.evaluate(
      async ({ source, elsewhere }) => {
        const run = new Function("elsewhere", `return (${source})(elsewhere)`);
        try {
          await run(elsewhere);
          return undefined;
        } catch (thrown) {
          const { message, reason: why } = thrown as tensorgate.ClientError;
          return { message, reason: why };
        }
      },
      { source: ask.toString(), elsewhere: other.origin },
    );

    expect(await failure).toEqual({ reason, message: expect.stringContaining(text) });
  });

  test("a page that is not listed gets no client, and a refusal that it can read", async () => {
    await page.goto(other.pageFor(running.url));
    const message = await page.evaluate(async (gateway) => {
      const response = await fetch(`${gateway}/v1/catalog`).catch(
        (thrown: Error) => thrown.message,
      );
      return typeof response === "string" ? response : response.status;
    }, running.url);

    expect(message).toBe(403);
    expect(await page.getAttribute("body", "data-ready")).toBeNull();
  });

  test("it works in a module worker", async () => {
    const label = await page.evaluate(async (gateway) => {
      const text = `import { ScoringClient } from "${gateway}/web-client.js";
        onmessage = async ({ data }) => {
          const client = new ScoringClient({ baseUrl: "${gateway}" });
          const bitmap = await createImageBitmap(data);
          const [fromFile] = await client.classify("shapes", data);
          const [fromPixels] = await client.classify("shapes", bitmap);
          postMessage([fromFile.label, fromPixels.label]);
        };`;
      const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
      const worker = new Worker(url, { type: "module" });
      const blob = await (await fetch("/pictures/moon.jpg")).blob();
      return new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = ({ message }) => reject(new Error(message));
        worker.postMessage(blob);
      });
    }, running.url);

    expect(label).toEqual(["moon", "moon"]);
  });

  test("a page that is offline learns it, and a call that waits is answered when it is back", async () => {
    const blob = await page.evaluateHandle(async () => (await fetch("/pictures/star.jpg")).blob());
    await context.setOffline(true);
    const failed = await page.evaluate(async (picture) => {
      const thrown = await window.client
        .classify("shapes", picture, { maxRetries: 0 })
        .catch((each: tensorgate.ClientError) => each);
      return {
        reason: (thrown as tensorgate.ClientError).reason,
        hint: (thrown as { hint?: string }).hint,
      };
    }, blob);
    expect(failed).toEqual({ reason: "upstream-failed", hint: "the browser is offline" });

    await page.evaluate((picture) => {
      const state = window as unknown as { retried: number; label?: string };
      state.retried = 0;
      const waiting = window.client.with({
        onEvent: ({ type }) => {
          if (type === "retry") state.retried += 1;
        },
      });
      void waiting.classify("shapes", picture, { maxRetries: 8 }).then(([best]) => {
        state.label = best?.label ?? "";
      });
    }, blob);
    await page.waitForFunction(() => (window as unknown as { retried: number }).retried > 0);
    await context.setOffline(false);
    await page.waitForFunction(() => (window as unknown as { label?: string }).label === "star");
  });

  test("an abort ends a call and a stream immediately", async () => {
    const outcome = await page.evaluate(async () => {
      const controller = new AbortController();
      const blob = await (await fetch("/pictures/star.jpg")).blob();
      const failed = window.client
        .classify("shapes", blob, { signal: controller.signal })
        .catch(({ reason }: tensorgate.ClientError) => reason);
      controller.abort();
      const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 64 });
      canvas.getContext("2d")?.fillRect(0, 0, 9, 9);
      const stopping = new AbortController();
      let frames = 0;
      for await (const { ok } of window.client.stream("shapes", canvas, {
        fps: 50,
        signal: stopping.signal,
      })) {
        frames += ok ? 1 : 0;
        if (frames === 3) stopping.abort();
      }
      return { reason: await failed, frames };
    });

    expect(outcome).toEqual({ reason: "cancelled", frames: 3 });
  });

  test("a generated video is scored frame by frame", async () => {
    const labels = await page.evaluate(async () => {
      const picture = await createImageBitmap(await (await fetch("/pictures/heart.jpg")).blob());
      const canvas = Object.assign(document.createElement("canvas"), { width: 320, height: 320 });
      const drawing = canvas.getContext("2d");
      const draw = () => {
        drawing?.drawImage(picture, 0, 0, 320, 320);
        requestAnimationFrame(draw);
      };
      draw();
      const video = document.createElement("video");
      video.muted = true;
      video.srcObject = canvas.captureStream(30);
      await video.play();
      const found: (string | undefined)[] = [];
      for await (const frame of window.client.stream("shapes", video, { fps: 10 })) {
        if (frame.ok) found.push(frame.value[0]?.label);
        if (found.length === 5) break;
      }
      return found;
    });

    expect(labels).toEqual(["heart", "heart", "heart", "heart", "heart"]);
  });
});

interface Label {
  readonly index: number;
  readonly label: string;
  readonly score: number;
}
