import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { samplePicture } from "../support/pictures.ts";
import { type RunningGateway, startShapesGateway } from "../support/running-gateway.ts";

let running: RunningGateway;
beforeAll(async () => {
  running = await startShapesGateway();
});
afterAll(() => running[Symbol.asyncDispose]());

const star = samplePicture("star");

// Whatever came before, the next caller is served, and nothing is still counted.
afterEach(async () => {
  const response = await fetch(`${running.url}/v1/classify/shapes`, { method: "POST", body: star });
  expect(response.status).toBe(200);
  await response.arrayBuffer();
  await expect.poll(() => running.gateway.load().bytesInFlight).toBe(0);
});

async function post(body: Uint8Array<ArrayBuffer>) {
  const response = await fetch(`${running.url}/v1/classify/shapes?topK=1`, {
    method: "POST",
    headers: { "content-type": "multipart/form-data; boundary=BB" },
    body,
  });
  return { status: response.status, text: await response.text() };
}

const file = 'Content-Disposition: form-data; name="image"; filename="x"';

test.each([
  { name: "empty parts", piece: "--BB\r\n\r\n\r\n" },
  { name: "fields", piece: '--BB\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' },
  { name: "empty files", piece: `--BB\r\n${file}\r\n\r\n\r\n` },
  { name: "boundaries that are none", piece: "--BB\r\n\r\n\r\n--BBx" },
  { name: "headers", piece: "--BB\r\na:b\r\nc:d\r\n" },
])("32 MiB of $name are too large", async ({ piece }) => {
  const form = Buffer.alloc(33_554_432, piece);

  const { status, text } = await post(form);

  expect(status).toBe(413);
  expect(JSON.parse(text).reason).toBe("too-large");
});

test.each([
  { name: "line breaks", piece: "\r\n" },
  { name: "dashes", piece: "-" },
])("a file of 32 MiB of $name without end is the caller's mistake", async ({ piece }) => {
  const form = Buffer.alloc(33_554_432, piece);
  form.write(`--BB\r\n${file}\r\n\r\n`);

  const { status } = await post(form);

  expect(status).toBe(400);
});
