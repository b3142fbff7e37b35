import { fileURLToPath } from "node:url";

const isSource = import.meta.url.endsWith(".ts");

/** The command itself, for child processes. */
export const commandFile: string = fileURLToPath(
  new URL(isSource ? "../main.ts" : "../main.js", import.meta.url),
);

/** Flags of Node for it: source files need this condition, which a child does not inherit if NODE_OPTIONS is set. */
export const commandFlags: readonly string[] = isSource ? ["--conditions=@tensorgate/source"] : [];
