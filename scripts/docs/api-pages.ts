/** Writes the reference of both clients, and of the command, into `docs/reference/api`. */
import { rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Application, LogLevel, type TypeDocOptions } from "typedoc";
import { program } from "../../packages/cli/src/run.ts";
import { createSignals } from "../../packages/cli/src/service/signals.ts";
import { commandPage } from "./command-page.ts";

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));

/** Options of the plugin that writes Markdown, which TypeDoc's types do not know. */
const markdownOptions = {
  entryFileName: "index",
  hidePageHeader: true,
  hideBreadcrumbs: true,
  useCodeBlocks: true,
  expandObjects: false,
};

/** @throws Error if the comments or types of a client cannot be shown whole */
async function writeClient(name: string): Promise<void> {
  const app = await Application.bootstrapWithPlugins({
    plugin: ["typedoc-plugin-markdown"],
    name: `@tensorgate/${name}`,
    entryPoints: [path(`packages/${name}/src/index.ts`)],
    tsconfig: path(`packages/${name}/tsconfig.json`),
    readme: "none",
    disableSources: true,
    excludeInternal: true,
    excludePrivate: true,
    treatWarningsAsErrors: true,
    logLevel: LogLevel.Warn,
    outputs: [
      {
        name: "markdown",
        path: path(`docs/reference/api/${name}`),
        options: markdownOptions as TypeDocOptions,
      },
    ],
  });
  const project = await app.convert();
  if (!project) throw new Error(`${name}: its types have errors`);
  await app.generateOutputs(project);
  if (app.logger.hasErrors() || app.logger.hasWarnings()) throw new Error(`${name}: see above`);
}

rmSync(path("docs/reference/api"), { recursive: true, force: true });
for (const name of ["client", "web-client"]) await writeClient(name);
const signals = createSignals();
writeFileSync(path("docs/reference/api/command.md"), commandPage(program(signals)));
signals.release();
