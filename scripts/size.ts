/**
 * How large the browser client is in a page, and the page of a gateway: bundled, minified and packed with brotli.
 *
 * `npm run size` prints a table and fails over budget; `--json` prints a line per entry.
 */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";
import { build } from "vite";

interface Entry {
  readonly name: string;
  /** What a page would write. */
  readonly source: string;
  readonly budgetBytes: number;
}

const entries: readonly Entry[] = [
  {
    name: "classify",
    source: `import { classify, openConnection } from "@tensorgate/web-client";
      window.score = (file) => classify(openConnection(), "shapes", file);`,
    budgetBytes: 8_000,
  },
  {
    name: "all of web-client",
    source: `import * as client from "@tensorgate/web-client"; window.client = client;`,
    budgetBytes: 15_000,
  },
];

const root = fileURLToPath(new URL("..", import.meta.url));

async function brotliBytes({ source }: Entry): Promise<number> {
  const id = "\0entry.js";
  const result = await build({
    root,
    configFile: false,
    logLevel: "warn",
    resolve: { conditions: ["@tensorgate/source"] },
    plugins: [
      {
        name: "entry",
        resolveId: (name) => (name === "entry" ? id : undefined),
        load: (name) => (name === id ? source : undefined),
      },
    ],
    build: { write: false, target: "es2022", rolldownOptions: { input: "entry" } },
  });
  const outputs = [result].flat().flatMap((each) => ("output" in each ? each.output : []));
  const code = outputs.map((each) => (each.type === "chunk" ? each.code : "")).join("");
  return brotliCompressSync(code).byteLength;
}

const page = new URL("../packages/console/dist/page/", import.meta.url);
const assets = readdirSync(new URL("assets/", page)).map((name) => `assets/${name}`);

/** What a browser loads when the tab Teach is chosen. */
const isOfTeaching = (name: string) => name.startsWith("assets/teach-view");

function packedBytes(names: readonly string[]): number {
  return names
    .map((name) => brotliCompressSync(readFileSync(new URL(name, page))).byteLength)
    .reduce((sum, bytes) => sum + bytes, 0);
}

/** What a browser loads for the page of a gateway: its document, script and style sheet. */
const pageBytes = () =>
  packedBytes(["index.html", ...assets.filter((name) => !isOfTeaching(name))]);

/** Largest page, in bytes. */
const pageBudgetBytes = 60_000;

/** Largest script of the tab Teach, in bytes. */
const teachingBudgetBytes = 10_000;

const isJson = process.argv.includes("--json");
function report(name: string, bytes: number, budgetBytes: number): void {
  const isOver = bytes > budgetBytes;
  if (isOver) process.exitCode = 1;
  process.stdout.write(
    isJson
      ? `${JSON.stringify({ entry: name, brotliBytes: bytes })}\n`
      : `${name}: ${bytes} of ${budgetBytes} bytes${isOver ? ", TOO MUCH" : ""}\n`,
  );
}

for (const entry of entries) report(entry.name, await brotliBytes(entry), entry.budgetBytes);
report("the page", pageBytes(), pageBudgetBytes);
report("the tab Teach", packedBytes(assets.filter(isOfTeaching)), teachingBudgetBytes);
