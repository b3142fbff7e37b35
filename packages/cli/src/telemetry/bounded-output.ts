import type { Clock } from "@tensorgate/core";

/** Where bytes go. */
export interface OutputSink {
  /** Calls `done` once, when they are written or cannot be; never before it returns. */
  write(chunk: Buffer, done: (failure: WriteFailure | undefined) => void): void;
}

export interface WriteFailure {
  readonly message: string;
  /** Whether some of the bytes were written, and so a record cut. */
  readonly wasCut: boolean;
}

export interface BoundedOutputOptions {
  readonly sink: OutputSink;
  readonly clock: Clock;
  /**
   * Bytes that may wait to be written; records that would exceed it are dropped and counted.
   * @default 1_048_576
   */
  readonly maxBytes?: number;
  /**
   * Bytes that are written together; fewer wait for at most a second. 0 writes each record as it comes.
   * @default 0
   */
  readonly batchBytes?: number;
  /** The record that says how many were dropped. */
  readonly droppedText: (count: number) => string;
}

export interface OutputState {
  /** Bytes that wait to be written. */
  readonly queuedBytes: number;
  /** Records that were dropped, since the output was opened. */
  readonly droppedCount: number;
  /** Why the last write failed; absent while writing works. */
  readonly failure?: string;
}

/** Writes records in order without ever waiting, for however long their reader or their disk does. */
export interface BoundedOutput {
  write(record: string): void;
  state(): OutputState;
  /** Resolves when all is written, when writing fails, or after `timeoutMs`. */
  flush(timeoutMs: number): Promise<void>;
}

const outputDefaults = { maxBytes: 1_048_576, batchBytes: 0 } as const;

/** Longest that a record waits for others, and time between two tries of an output that fails, in milliseconds. */
const intervalMs = 1_000;
/**
 * Bytes of one write. Linux writes as many into a pipe whole or not at all, so that what is written there beside them
 * (`2>&1`) cuts no record.
 */
const maxChunkBytes = 4_096;

interface QueuedRecord {
  readonly text: string;
  readonly byteCount: number;
}

/**
 * Creates an output with a bounded queue.
 *
 * SonicBoom, which pino brings, cannot do this: its flush at exit waits in `Atomics.wait` while a disk is full, and a
 * write to a blocking pipe that is not read holds a thread of libuv, which then keeps the process from ending.
 */
export function createBoundedOutput(options: BoundedOutputOptions): BoundedOutput {
  const { sink, clock, droppedText, maxBytes, batchBytes } = { ...outputDefaults, ...options };
  const queue: QueuedRecord[] = [];
  let queuedBytes = 0;
  let isWriting = false;
  let droppedCount = 0;
  /** Dropped, and no record has said so. */
  let unreported = 0;
  let failure: WriteFailure | undefined;
  let isCut = false;
  let timer: Disposable | undefined;
  let flushing: PromiseWithResolvers<void> | undefined;

  function drop(count: number): void {
    droppedCount += count;
    unreported += count;
  }

  function schedule(): void {
    if (isWriting) return;
    const isDone = queue.length === 0 && unreported === 0;
    if (flushing && (isDone || failure)) flushing.resolve();
    else if (isDone) return;
    else if (!failure && (flushing || queuedBytes >= batchBytes)) writeNext();
    else timer ??= clock.setTimer(intervalMs, writeNext);
  }

  function writeNext(): void {
    timer?.[Symbol.dispose]();
    timer = undefined;
    if (isWriting) return;
    const records = takeChunk(queue);
    const reported = unreported;
    unreported = 0;
    const notice = reported > 0 ? droppedText(reported) : "";
    const text = (isCut ? "\n" : "") + notice + records.map((record) => record.text).join("");
    isWriting = true;
    sink.write(Buffer.from(text), (error) => {
      isWriting = false;
      failure = error;
      isCut = error ? isCut || error.wasCut : false;
      queuedBytes -= records.reduce((sum, { byteCount }) => sum + byteCount, 0);
      if (error) {
        unreported += reported;
        drop(records.length);
      }
      schedule();
    });
  }

  return {
    write: (text) => {
      const byteCount = Buffer.byteLength(text);
      if (queuedBytes + byteCount > maxBytes) return drop(1);
      queue.push({ text, byteCount });
      queuedBytes += byteCount;
      schedule();
    },
    state: () => ({ queuedBytes, droppedCount, ...(failure && { failure: failure.message }) }),
    flush: async (timeoutMs) => {
      flushing = Promise.withResolvers();
      using _limit = clock.setTimer(timeoutMs, flushing.resolve);
      if (failure) writeNext();
      else schedule();
      await flushing.promise;
      flushing = undefined;
    },
  };
}

/** Takes the first records, as many as one write may have. */
function takeChunk(queue: QueuedRecord[]): readonly QueuedRecord[] {
  let byteCount = 0;
  const end = queue.findIndex((record) => {
    byteCount += record.byteCount;
    return byteCount > maxChunkBytes;
  });
  return queue.splice(0, end === -1 ? queue.length : Math.max(1, end));
}
