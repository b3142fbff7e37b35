import { CommandError } from "./command-error.ts";

/**
 * Imports the model server, an optional dependency of hundreds of megabytes.
 *
 * @throws CommandError if it is not installed
 */
export async function importModelServer(): Promise<typeof import("@tensorgate/model-server")> {
  try {
    return await import("@tensorgate/model-server");
  } catch (thrown) {
    const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
    if (code !== "ERR_MODULE_NOT_FOUND") throw thrown;
    throw new CommandError(
      "the embedded model server is not installed: npm install @tensorgate/model-server",
    );
  }
}
