/**
 * How large the browser client is in a page: bundled, minified and packed with brotli.
 *
 * `npm run size` prints a table and fails over budget; `--json` prints a line per entry.
 */
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

const isJson = process.argv.includes("--json");
for (const entry of entries) {
  const bytes = await brotliBytes(entry);
  const isOver = bytes > entry.budgetBytes;
  if (isOver) process.exitCode = 1;
  process.stdout.write(
    isJson
      ? `${JSON.stringify({ entry: entry.name, brotliBytes: bytes })}\n`
      : `${entry.name}: ${bytes} of ${entry.budgetBytes} bytes${isOver ? ", TOO MUCH" : ""}\n`,
  );
}
