import { type OnnxSession, openOnnxSession } from "./onnx-session.ts";
import type { WorkerStart } from "./session-worker.ts";

/** A session whose thread is started anew when it dies; only what it was running then is lost. */
export async function reopeningSession(start: WorkerStart): Promise<OnnxSession> {
  let isClosed = false;
  const open = (): Promise<OnnxSession> =>
    openOnnxSession(start, () => {
      if (isClosed) return;
      current = open();
      // Whoever asks next is told; nobody may be asking now.
      current.catch(() => {});
    });
  let current = open();
  const { signature } = await current;
  return {
    signature,
    run: async (feeds, fetches) => (await current).run(feeds, fetches),
    close: async () => {
      isClosed = true;
      await current.then(
        (session) => session.close(),
        () => {},
      );
    },
  };
}
