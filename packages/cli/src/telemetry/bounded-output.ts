import type { Clock } from "@tensorgate/core";

/** The destination of an output. */
export interface OutputSink {
  /** Writes a chunk; calls `done` once when it succeeded or failed, never before it returns. */
  write(chunk: Buffer, done: (failure: WriteFailure | undefined) => void): void;
}

export interface WriteFailure {
  readonly message: string;
  /** Whether a part was written, so that a record is cut. */
  readonly wasCut: boolean;
}

export interface BoundedOutputOptions {
  readonly sink: OutputSink;
  readonly clock: Clock;
  /**
   * Maximum number of queued bytes; further records are dropped and counted.
   * @default 1_048_576
   */
  readonly maxBytes?: number;
  /**
   * Bytes of a batch; fewer wait for at most a second. 0 writes each record immediately.
   * @default 0
   */
  readonly batchBytes?: number;
  /** Returns the record that reports the number of dropped ones. */
  readonly droppedText: (count: number) => string;
}

export interface OutputState {
  /** Queued bytes. */
  readonly queuedBytes: number;
  /** Records dropped since the output was opened. */
  readonly droppedCount: number;
  /** Why the last write failed; absent if it succeeded. */
  readonly failure?: string;
}

/** Writes records in order without blocking, even if the reader or the disk does. */
export interface BoundedOutput {
  write(record: string): void;
  state(): OutputState;
  /** Resolves when all is written, when writing fails, or after `timeoutMs`. */
  flush(timeoutMs: number): Promise<void>;
}

const outputDefaults = { maxBytes: 1_048_576, batchBytes: 0 } as const;

/** Longest wait of a record for its batch, and wait before retrying a failed write, in milliseconds. */
const intervalMs = 1_000;
/**
 * Most bytes of one write. Linux writes up to this many to a pipe atomically, so that other output to the same pipe (`2>&1`)
 * cuts no record.
 */
const maxChunkBytes = 4_096;

interface QueuedRecord {
  readonly text: string;
  readonly byteCount: number;
}

/**
 * Creates an output with a bounded queue.
 *
 * SonicBoom, pino's default, does not suffice: its flush at exit blocks in `Atomics.wait` while a disk is full, and a write
 * to a blocking pipe without a reader occupies a libuv thread, which keeps the process from ending.
 */
export function createBoundedOutput(options: BoundedOutputOptions): BoundedOutput {
  const { sink, clock, droppedText, maxBytes, batchBytes } = { ...outputDefaults, ...options };
  const queue: QueuedRecord[] = [];
  let queuedBytes = 0;
  let isWriting = false;
  let droppedCount = 0;
  /** Dropped records that no record has reported yet. */
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

/** Removes the first records from the queue, as many as fit in one write. */
function takeChunk(queue: QueuedRecord[]): readonly QueuedRecord[] {
  let byteCount = 0;
  const end = queue.findIndex((record) => {
    byteCount += record.byteCount;
    return byteCount > maxChunkBytes;
  });
  return queue.splice(0, end === -1 ? queue.length : Math.max(1, end));
}
