import { write } from "node:fs";
import { Socket } from "node:net";
import { WriteStream } from "node:tty";
import { counted } from "@tensorgate/core";
import { systemClockAndRandom } from "@tensorgate/gateway";
import { type BoundedOutput, createBoundedOutput, type OutputSink } from "./bounded-output.ts";

export interface StandardOutputOptions {
  /** Bytes of a batch; 0 by default, which writes each record immediately. */
  readonly batchBytes?: number;
  readonly droppedText?: (count: number) => string;
}

/** Opens standard output or standard error for a service, which must not wait for the reader. */
export function openStandardOutput(
  name: "stdout" | "stderr",
  options: StandardOutputOptions = {},
): BoundedOutput {
  return createBoundedOutput({
    sink: sinkOf(process[name], name === "stdout" ? 1 : 2),
    clock: systemClockAndRandom.clock,
    droppedText: (count) => `${counted(count, "line")} dropped\n`,
    ...options,
  });
}

/** Polls pipes, sockets and terminals; writes files in a thread, where a full disk fails immediately. */
function sinkOf(stream: NodeJS.WriteStream, fd: number): OutputSink {
  // `done` gets every failure as well.
  stream.on("error", () => {});
  if (!(stream instanceof Socket)) return fileSink(fd);
  if (stream instanceof WriteStream) pollTerminal(stream);
  return {
    write: (chunk, done) => {
      stream.write(chunk, (error) =>
        done(error ? { message: error.message, wasCut: false } : undefined),
      );
    },
  };
}

/** Makes a terminal non-blocking: by default Ctrl-S in the terminal would block the process. */
function pollTerminal(stream: WriteStream): void {
  const { _handle: handle } = stream as WriteStream & {
    readonly _handle?: { setBlocking?(isBlocking: boolean): void };
  };
  handle?.setBlocking?.(false);
}

function fileSink(fd: number): OutputSink {
  return {
    write: (chunk, done) => {
      const writeFrom = (offset: number) =>
        write(fd, chunk, offset, chunk.length - offset, null, (error, byteCount) => {
          if (error) done({ message: error.message, wasCut: offset > 0 });
          else if (offset + byteCount < chunk.length) writeFrom(offset + byteCount);
          else done(undefined);
        });
      writeFrom(0);
    },
  };
}
