import { readFileSync } from "node:fs";

/** Version of the command, which all packages of Tensorgate share. Read here: the gateway's would load the gateway. */
export const version: string = (
  JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
    readonly version: string;
  }
).version;
