import type { ClassifyOptions, DetectOptions, WithMeta } from "@tensorgate/client-core";
import { type Clock, type Detections, type LabelScore, ScoringError } from "@tensorgate/core";
import type { Connection } from "./connection.ts";
import type { PictureOptions } from "./options.ts";
import { classify, detect } from "./scoring.ts";

export interface StreamOptions<Task extends StreamTask = "classify">
  extends Omit<ClassifyOptions & DetectOptions, "requestId">,
    PictureOptions {
  /** @default "classify" */
  readonly task?: Task;
  /**
   * Maximum number of frames per second; fewer if responses take longer.
   * @default 10
   */
  readonly fps?: number;
  /** One frame is in flight at a time; meanwhile frames are dropped, and the latest is sent next. */
  readonly policy?: "latest";
}

export type StreamTask = "classify" | "detect";

/** The outcome of one frame. */
export type FrameOutcome<Value> = {
  /** Number of the frame that was sent, from 0. */
  readonly frame: number;
  /** Time at which it was taken, on the clock of `performance`. */
  readonly takenMs: number;
} & (
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly error: ScoringError }
);

export interface StreamValue<Label extends string> {
  readonly classify: WithMeta<readonly LabelScore<Label>[]>;
  readonly detect: WithMeta<Detections<Label>>;
}

/** An element whose picture changes. */
export type MovingPicture = HTMLVideoElement | HTMLCanvasElement | OffscreenCanvas;

/**
 * Scores the frames of a video or a canvas, as fast as responses arrive, and at most `fps` per second.
 *
 * Nothing is sent while the page is hidden. It ends with the video, when the caller leaves the loop, and when `signal`
 * aborts. A retryable failure is yielded and the next frame is sent; any other failure is thrown.
 *
 * @throws ClientError
 */
export async function* scoreStream<Label extends string, Task extends StreamTask = "classify">(
  connection: Connection,
  model: string,
  picture: MovingPicture,
  options: StreamOptions<Task> = {},
): AsyncGenerator<FrameOutcome<StreamValue<Label>[Task]>, void, undefined> {
  const { fps = 10, task, signal, policy: _latest, ...rest } = options;
  if (!(fps > 0)) throw new RangeError(`fps must be more than 0, got ${fps}`);
  const left = new AbortController();
  const ended = signal ? AbortSignal.any([signal, left.signal]) : left.signal;
  const { clock } = connection;
  const score = task === "detect" ? detect : classify;
  let nextMs = clock.nowMs();
  try {
    for (let frame = 0; ; frame += 1) {
      await pause(nextMs - clock.nowMs(), { clock, signal: ended });
      await untilVisible(ended);
      if (ended.aborted || hasEnded(picture)) return;
      const takenMs = clock.nowMs();
      nextMs = takenMs + 1_000 / fps;
      try {
        const value = await score<Label>(connection, model, picture, { ...rest, signal: ended });
        yield { frame, takenMs, ok: true, value: value as StreamValue<Label>[Task] };
      } catch (thrown) {
        if (ended.aborted) return;
        const error = ScoringError.from(thrown);
        if (!(error as { retryable?: boolean }).retryable) throw error;
        yield { frame, takenMs, ok: false, error };
      }
    }
  } finally {
    left.abort();
  }
}

function hasEnded(picture: MovingPicture): boolean {
  return "ended" in picture && picture.ended;
}

function pause(
  durationMs: number,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  if (durationMs <= 0 || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = clock.setTimer(durationMs, done);
    signal.addEventListener("abort", done);
    function done() {
      timer[Symbol.dispose]();
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}

function untilVisible(signal: AbortSignal): Promise<void> {
  if (typeof document === "undefined" || !document.hidden || signal.aborted)
    return Promise.resolve();
  return new Promise((resolve) => {
    const onChange = () => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener("visibilitychange", onChange);
      signal.removeEventListener("abort", onChange);
      resolve();
    };
    document.addEventListener("visibilitychange", onChange);
    signal.addEventListener("abort", onChange);
  });
}
