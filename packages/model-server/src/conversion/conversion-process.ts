// One conversion: a process without secrets, which may be killed at any time.
import type { WorkerMessage, WorkerRequest } from "@tensorgate/registry";
import type { ConversionOptions } from "./conversion.ts";
import { convertToFolder } from "./convert-to-folder.ts";

process.once("message", async ({ folder, output, options }: WorkerRequest) => {
  const onStep = (text: string) => void say({ kind: "step", text });
  const onLog = (text: string) => void say({ kind: "log", text });
  try {
    const place = { from: folder, to: output, onStep, onLog };
    const result = await convertToFolder(options as ConversionOptions, place);
    await say({ kind: "done", files: ["manifest.json", "model.onnx"], result });
  } catch (thrown) {
    const error = thrown as Error;
    const isForUser = error.name === "SavedModelError" || error.name === "ModelFolderError";
    if (!isForUser) await say({ kind: "log", text: error.stack ?? error.message });
    await say({ kind: "failed", message: error.message });
  }
  process.disconnect();
});
// The supervisor has ended.
process.on("disconnect", () => process.exit());

function say(message: WorkerMessage): Promise<void> {
  return new Promise((resolve) => {
    process.send?.(message, undefined, undefined, () => resolve());
  });
}
