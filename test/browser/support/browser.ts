import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const executablePath = [
  process.env["CHROMIUM"],
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
].find((path) => path !== undefined && existsSync(path));

/** Why nothing can be tried in a browser here; undefined where it can. */
export const whyNoBrowser: string | undefined = executablePath
  ? undefined
  : "there is no Chromium here: apt-get install chromium, or name one in CHROMIUM";

if (whyNoBrowser) process.stderr.write(`skipped: ${whyNoBrowser}\n`);

/** Headless, with a camera that shows a moving test picture, and which every page may use. */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    ...(executablePath && { executablePath }),
    args: ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"],
  });
}
