import { type ChildProcess, fork as forkProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { DecodeReply, DecodeRequest, DecoderMessage } from "./decode-message.ts";

/** A decoder's process as the pool sees it. */
export interface DecoderChild {
  readonly processId: number | undefined;
  /** Resolves when it has ended. */
  readonly ended: Promise<unknown>;
  ask(request: DecodeRequest): void;
  kill(): void;
}

export interface DecoderEvents {
  /** It has begun. */
  onReady(): void;
  /** It has the picture that it was asked about. */
  onTaken(): void;
  onReply(reply: DecodeReply): void;
  /** It ended, or never began. */
  onEnd(end: DecoderEnd): void;
}

/** How a decoder ended. */
export interface DecoderEnd {
  /** Why it could not be started, as the system says. */
  readonly error?: NodeJS.ErrnoException;
  readonly exitCode?: number | null;
  readonly signal?: NodeJS.Signals | null;
}

/** Never throws: a process that cannot be started has ended. */
export type StartDecoder = (events: DecoderEvents) => DecoderChild;

/** Source files run only under this condition. */
const isSource = import.meta.url.endsWith(".ts");
const ownScript = new URL(`decoder-process.${isSource ? "ts" : "js"}`, import.meta.url);

/** Most memory of a decoder's JavaScript; pixels are outside of it, and bounded by their number. */
const maxHeapMiB = 256;

export interface DecoderProcessDeps {
  /** What the process runs; a test hands in one that misbehaves. */
  readonly script?: URL;
  /** Starts a process; a test hands in one that fails. */
  readonly fork?: typeof forkProcess;
}

export function createDecoderStarter({
  script = ownScript,
  fork = forkProcess,
}: DecoderProcessDeps = {}): StartDecoder {
  const execArgv = [
    `--max-old-space-size=${maxHeapMiB}`,
    ...(isSource ? ["--conditions=@tensorgate/source"] : []),
  ];
  const started = () =>
    fork(fileURLToPath(script), [], {
      execArgv,
      // A process that is taken over finds no key there.
      env: {},
      // Ctrl-C reaches only us: what is in flight is finished first.
      detached: true,
      serialization: "advanced",
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
  return (events) => {
    try {
      return childOf(started(), events);
    } catch (thrown) {
      // Some reasons why there is no process are thrown, and others come as an event.
      return unstarted(thrown as NodeJS.ErrnoException, events);
    }
  };
}

function childOf(child: ChildProcess, events: DecoderEvents): DecoderChild {
  const ended = endOf(child);
  void ended.then(events.onEnd);
  child.on("message", (message: DecoderMessage) => {
    if (message.kind === "ready") return events.onReady();
    if (message.kind === "taken") return events.onTaken();
    // An idle decoder does not keep its parent from exiting.
    child.channel?.unref();
    events.onReply(message);
  });
  child.unref();
  child.channel?.unref();
  return {
    processId: child.pid,
    ended,
    ask: (request) => {
      // Without a process or a way to it there is nothing to send by, and its end is on the way.
      if (!child.connected) return;
      child.channel?.ref();
      child.send(request, (error) => {
        if (error) child.kill("SIGKILL");
      });
    },
    kill: () => {
      // The parent must not exit before the end that it awaits.
      child.ref();
      child.channel?.ref();
      child.kill("SIGKILL");
    },
  };
}

/** Resolves when it has exited and all that it said has been read, which may be later; or when it never began. */
function endOf(child: ChildProcess): Promise<DecoderEnd> {
  return new Promise((resolve) => {
    let isRead = !child.connected;
    let end: DecoderEnd | undefined;
    const settle = () => {
      if (end && isRead) resolve(end);
    };
    child.once("exit", (exitCode, signal) => {
      end = { exitCode, signal };
      settle();
    });
    child.once("disconnect", () => {
      isRead = true;
      settle();
    });
    // It never began, or could not receive a message: then it is killed, and its exit follows.
    child.on("error", (error) => {
      if (child.pid === undefined) resolve({ error });
    });
  });
}

function unstarted(error: NodeJS.ErrnoException, { onEnd }: DecoderEvents): DecoderChild {
  const ended = Promise.resolve({ error });
  void ended.then(onEnd);
  return { processId: undefined, ended, ask: () => {}, kill: () => {} };
}
