// Whether scoring a video leaves the page's thread free: long tasks while frames of 1280×720 are scored at 10 a second.
import { parseArgs } from "node:util";
import { consoleFiles } from "@tensorgate/console";
import type * as tensorgate from "@tensorgate/web-client";
import { openBrowser, whyNoBrowser } from "../test/browser/support/browser.ts";
import { startForeignServer } from "../test/browser/support/foreign-page.ts";
import { startBundledGateway } from "../test/support/running-gateway.ts";

const { values: flags } = parseArgs({
  options: { frames: { type: "string", default: "100" } },
});
if (whyNoBrowser) process.exit();

declare global {
  interface Window {
    client: tensorgate.ScoringClient;
  }
}

await using foreign = await startForeignServer();
await using running = await startBundledGateway(
  { crossSite: { origins: [foreign.origin] } },
  { console: consoleFiles() },
);
const browser = await openBrowser();
try {
  const page = await browser.newPage();
  await page.goto(foreign.pageFor(running.url));
  await page.waitForSelector("body[data-ready]", { state: "attached" });
  const measured = await page.evaluate(async (frameCount) => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 1280, height: 720 });
    const drawing = canvas.getContext("2d");
    let angle = 0;
    // Drawn again thirty times a second, as a camera would.
    const timer = setInterval(() => {
      angle += 0.1;
      if (!drawing) return;
      drawing.fillStyle = `hsl(${angle * 40} 40% 60%)`;
      drawing.fillRect(0, 0, 1280, 720);
      drawing.fillStyle = "black";
      drawing.fillRect(400 + 200 * Math.sin(angle), 200, 300, 300);
    }, 33);
    const video = document.createElement("video");
    video.muted = true;
    video.srcObject = canvas.captureStream(30);
    await video.play();
    const longTasksMs: number[] = [];
    const observer = new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) longTasksMs.push(duration);
    });
    observer.observe({ type: "longtask" });
    const startMs = performance.now();
    const sentBytes: number[] = [];
    for await (const frame of window.client.stream("shapes", video, { fps: 10 })) {
      if (frame.ok) sentBytes.push(frame.value.meta.upload?.bytes ?? 0);
      if (frame.frame + 1 >= frameCount) break;
    }
    clearInterval(timer);
    const framesPerSecond = (1_000 * sentBytes.length) / (performance.now() - startMs);
    const meanBytes = sentBytes.reduce((sum, each) => sum + each, 0) / sentBytes.length;
    return { frames: sentBytes.length, framesPerSecond, meanBytes, longTasksMs };
  }, Number(flags.frames));
  process.stdout.write(`${JSON.stringify(measured)}\n`);
} finally {
  await browser.close();
}
