import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { download } from "./download.ts";

const folder = mkdtempSync(join(tmpdir(), "tensorgate-download-"));
afterAll(() => rmSync(folder, { recursive: true }));

const content = Buffer.from("the weights of a network");
const pinned = {
  url: "https://files.example/weights.whl",
  sha256: createHash("sha256").update(content).digest("hex"),
  byteLength: content.length,
};
const newFile = () => join(mkdtempSync(join(folder, "f-")), "weights.whl");

/** Breaks a body off after some bytes. */
function broken(bytes: Uint8Array) {
  const chunks = [bytes];
  return new ReadableStream({
    pull: (controller) => {
      const chunk = chunks.pop();
      if (chunk) controller.enqueue(chunk);
      else controller.error(new TypeError("terminated", { cause: new Error("other side closed") }));
    },
  });
}

/** A server that answers each request with the next of `answers`, and notes the ranges. */
function server(answers: readonly ((start: number) => Response)[]) {
  const ranges: (string | null)[] = [];
  const get: typeof fetch = async (_url, init) => {
    const range = new Headers(init?.headers).get("range");
    ranges.push(range);
    const start = Number(/bytes=(\d+)-/.exec(range ?? "")?.[1] ?? 0);
    const answer = answers[ranges.length - 1];
    if (!answer) throw new TypeError("fetch failed", { cause: new Error("connect ECONNREFUSED") });
    return answer(start);
  };
  return { fetch: get, ranges };
}

const whole = () => new Response(content);
const rest = (start: number) =>
  new Response(content.subarray(start), {
    status: 206,
    headers: { "content-range": `bytes ${start}-${content.length - 1}/${content.length}` },
  });

test("a file is downloaded with its progress", async () => {
  const file = newFile();
  const seen: number[] = [];

  await download(pinned, {
    ...server([whole]),
    file,
    onProgress: ({ doneBytes, totalBytes }) => seen.push(doneBytes / totalBytes),
  });

  expect(readFileSync(file)).toEqual(content);
  expect(seen.at(-1)).toBe(1);
  expect(existsSync(`${file}.part`)).toBe(false);
});

test("what broke off goes on where it ended, in the same run and in the next", async () => {
  const file = newFile();
  const first = server([
    () => new Response(broken(content.subarray(0, 5))),
    (start) => new Response(broken(content.subarray(start, start + 4)), rest(start)),
  ]);
  await expect(download(pinned, { ...first, file })).rejects.toThrow(
    "https://files.example/weights.whl cannot be downloaded: connect ECONNREFUSED",
  );
  const kept = readFileSync(`${file}.part`).length;
  const second = server([rest]);

  await download(pinned, { ...second, file });

  expect(kept).toBe(9);
  expect(first.ranges).toEqual([null, "bytes=5-", "bytes=9-", "bytes=9-"]);
  expect(second.ranges).toEqual(["bytes=9-"]);
  expect(readFileSync(file)).toEqual(content);
});

test("a server without ranges sends the whole again", async () => {
  const file = newFile();
  writeFileSync(`${file}.part`, "the");

  await download(pinned, { ...server([whole]), file });

  expect(readFileSync(file)).toEqual(content);
});

test("another file is refused and not kept", async () => {
  const file = newFile();
  const other = Buffer.alloc(content.length);

  await expect(download(pinned, { ...server([() => new Response(other)]), file })).rejects.toThrow(
    "SHA-256",
  );

  expect(existsSync(file) || existsSync(`${file}.part`)).toBe(false);
});

test.each([
  { what: "a missing file", answer: () => new Response("", { status: 404 }), text: "HTTP 404" },
  {
    what: "a longer file",
    answer: () => new Response(Buffer.concat([content, content])),
    text: "longer than its 24 bytes",
  },
  {
    what: "another range",
    answer: () => new Response("x", { status: 206, headers: { "content-range": "bytes 9-9/24" } }),
    text: "another range",
  },
])("$what is refused", async ({ answer, text }) => {
  await expect(download(pinned, { ...server([answer]), file: newFile() })).rejects.toThrow(text);
});
