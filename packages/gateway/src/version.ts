import { readFileSync } from "node:fs";

interface PackageJson {
  readonly version: string;
}

/** Version of this package: all packages of Tensorgate share it. */
export const version: string = (
  JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as PackageJson
).version;
