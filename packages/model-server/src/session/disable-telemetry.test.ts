import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { disableTelemetry } from "./disable-telemetry.ts";

const run = promisify(execFile);
const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

test("a choice that was made stays", () => {
  const env = { ORT_DISABLE_TELEMETRY: "0" };
  disableTelemetry(env);

  expect(env).toEqual({ ORT_DISABLE_TELEMETRY: "0" });
});

test("the process that opens a model has the engine's telemetry switched off", async () => {
  const open = `import { openOnnxSession } from ${JSON.stringify(path("./onnx-session.ts"))};
    await openOnnxSession({ modelFile: "/absent.onnx", threads: 1 }, () => {}).catch(() => {});
    console.log(process.env.ORT_DISABLE_TELEMETRY);`;
  const flags = ["--conditions=@tensorgate/source", "--input-type=module", "-e", open];
  const env = { PATH: process.env["PATH"] };

  const { stdout } = await run(process.execPath, flags, { env, cwd: path(".") });

  expect(stdout).toBe("1\n");
});
