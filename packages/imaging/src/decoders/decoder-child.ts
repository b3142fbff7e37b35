import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { DecodeReply, DecodeRequest } from "./decode-message.ts";

/** A decoder's process as the pool sees it. */
export interface DecoderChild {
  readonly processId: number | undefined;
  /** Resolves when it has ended. */
  readonly ended: Promise<void>;
  ask(request: DecodeRequest): void;
  kill(): void;
}

export interface DecoderEvents {
  onReply(reply: DecodeReply): void;
  /** It ended, or never began. */
  onEnd(): void;
}

export type StartDecoder = (events: DecoderEvents) => DecoderChild;

/** Source files run only under this condition. */
const isSource = import.meta.url.endsWith(".ts");
const ownScript = new URL(`decoder-process.${isSource ? "ts" : "js"}`, import.meta.url);

/** Most memory of a decoder's JavaScript; pixels are outside of it, and bounded by their number. */
const maxHeapMiB = 256;

/** @param script - what the process runs; a test hands in one that misbehaves */
export function decoderProcesses(script: URL = ownScript): StartDecoder {
  const execArgv = [
    `--max-old-space-size=${maxHeapMiB}`,
    ...(isSource ? ["--conditions=@tensorgate/source"] : []),
  ];
  return ({ onReply, onEnd }) => {
    const child: ChildProcess = fork(fileURLToPath(script), [], {
      execArgv,
      // Whatever takes it over finds no key there.
      env: {},
      // Ctrl-C reaches only us: what is in flight is finished first.
      detached: true,
      serialization: "advanced",
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    const ended = new Promise<void>((resolve) => {
      child.once("exit", () => resolve());
      // It never began, or could not be told something.
      child.on("error", () => resolve());
    });
    void ended.then(onEnd);
    child.on("message", (reply: DecodeReply) => {
      // Idle, it keeps nobody from ending.
      child.channel?.unref();
      onReply(reply);
    });
    child.unref();
    child.channel?.unref();
    return {
      processId: child.pid,
      ended,
      ask: (request) => {
        child.channel?.ref();
        child.send(request, (error) => {
          if (error) child.kill("SIGKILL");
        });
      },
      kill: () => {
        // Whoever waits for its end must live to see it.
        child.ref();
        child.kill("SIGKILL");
      },
    };
  };
}
