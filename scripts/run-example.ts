/** Runs an example by its name in `examples/`, or a file of one's own: `npm run example -- node/score.ts`. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [name = "node/score.ts", ...rest] = process.argv.slice(2);
const file = existsSync(name) ? name : `examples/${name}`;
process.argv.splice(1, Number.POSITIVE_INFINITY, file, ...rest);
await import(pathToFileURL(resolve(file)).href);
