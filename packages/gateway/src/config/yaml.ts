import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/**
 * Loads the parser of YAML with the first text that is read: options that are built in code need none. It is required rather
 * than imported, because `parseConfig` returns options and no promise.
 */
export const loadYaml = (): typeof import("yaml") => require("yaml");
