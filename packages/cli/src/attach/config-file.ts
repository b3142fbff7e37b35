import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { configJsonSchema } from "@tensorgate/gateway";

const schemaName = "tensorgate.schema.json";

/** Writes a configuration, and beside it the schema by which editors complete and check it. */
export function writeConfig(file: string, text: string): void {
  const schema = `${JSON.stringify(configJsonSchema(), undefined, 2)}\n`;
  writeFileSync(join(dirname(file), schemaName), schema);
  writeFileSync(file, `# yaml-language-server: $schema=./${schemaName}\n${text}`);
}
