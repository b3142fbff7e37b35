/** Runs an example by its name in `examples/`: `npm run example -- node/score.ts`. */
import { pathToFileURL } from "node:url";

const [name = "node/score.ts", ...rest] = process.argv.slice(2);
process.argv.splice(1, Number.POSITIVE_INFINITY, `examples/${name}`, ...rest);
await import(pathToFileURL(`examples/${name}`).href);
