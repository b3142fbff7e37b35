import { run } from "../../packages/cli/src/run.ts";
import { createSignals } from "../../packages/cli/src/service/signals.ts";

/** What a command wrote, and its exit code. */
export interface EndedCommand {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command `tensorgate` in this process. */
export async function runInProcess(args: readonly string[]): Promise<EndedCommand> {
  const heard = { stdout: "", stderr: "" };
  const restored = (["stdout", "stderr"] as const).map((name) => {
    const { write } = process[name];
    process[name].write = (text: string | Uint8Array) => {
      heard[name] += text;
      return true;
    };
    return () => {
      process[name].write = write;
    };
  });
  try {
    const code = await run(args, createSignals());
    return { code, ...heard };
  } finally {
    for (const restore of restored) restore();
  }
}
