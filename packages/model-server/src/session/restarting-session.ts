import { grpcCode } from "@tensorgate/grpc";
import { ServingError } from "@tensorgate/tf-serving";
import { type OnnxSession, openOnnxSession } from "./onnx-session.ts";
import type { WorkerStart } from "./session-worker.ts";

/**
 * Opens a session that is opened again when its thread dies; only what it was running then is lost. If the model cannot
 * be opened again, each call tries once more.
 *
 * @throws Error that says in one line why the model cannot be opened the first time
 */
export async function openRestartingSession(
  start: WorkerStart,
  openSession: typeof openOnnxSession = openOnnxSession,
): Promise<OnnxSession> {
  let isClosed = false;
  let hasFailed = false;
  let current = openSession(start, reopen);

  function reopen(): void {
    if (isClosed) return;
    hasFailed = false;
    current = openSession(start, reopen);
    current.catch(() => {
      hasFailed = true;
    });
  }

  const { signature } = await current;
  return {
    signature,
    run: async (feeds, fetches) => {
      if (hasFailed) reopen();
      const session = await current.catch((cause: Error) => {
        const text = `the model cannot be opened again: ${cause.message}`;
        throw new ServingError(grpcCode.UNAVAILABLE, text, { cause });
      });
      return session.run(feeds, fetches);
    },
    close: async () => {
      isClosed = true;
      await current.then(
        (session) => session.close(),
        () => {},
      );
    },
  };
}
