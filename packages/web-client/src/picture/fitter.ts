import { type FitTarget, type Fitted, fitPicture } from "./fit-picture.ts";

/** Makes pictures smaller, off the main thread of the page. */
export interface Fitter {
  fit(source: Blob | ImageBitmap, target: FitTarget): Promise<Fitted>;
  close(): void;
}

/** A request to the worker. */
interface FitRequest {
  readonly id: number;
  readonly source: Blob | ImageBitmap;
  readonly target: FitTarget;
}

/** Its reply. */
type Reply = { readonly id: number } & (
  | { readonly fitted: Fitted }
  | { readonly failure: { readonly name: string; readonly message: string } }
);

interface PendingFit {
  readonly resolve: (fitted: Fitted) => void;
  readonly reject: (error: unknown) => void;
  /** Runs it on this thread, if there is no worker. */
  readonly runHere: () => Promise<Fitted>;
}

/**
 * Returns the source of a worker that runs `fitPicture`. It needs no file beside the bundle, so it works with every bundler
 * and from another origin. Minifiers and test tools may wrap functions in a helper called `__name`.
 */
function workerText(): string {
  return `const __name = (wrapped) => wrapped;
const fit = ${fitPicture.toString()};
onmessage = async ({ data: { id, source, target } }) => {
  try {
    postMessage({ id, fitted: await fit(source, target) });
  } catch ({ name, message }) {
    postMessage({ id, failure: { name, message } });
  }
};`;
}

/** Creates a fitter that starts its worker with the first picture; without workers it runs on the main thread. */
export function createFitter(): Fitter {
  const pending = new Map<number, PendingFit>();
  let worker: Worker | undefined;
  let hasWorker = typeof Worker !== "undefined";
  let latest = 0;

  function started(): Worker | undefined {
    if (worker || !hasWorker) return worker;
    const url = URL.createObjectURL(new Blob([workerText()], { type: "text/javascript" }));
    try {
      worker = new Worker(url);
    } catch {
      hasWorker = false;
      return undefined;
    } finally {
      URL.revokeObjectURL(url);
    }
    worker.onmessage = ({ data }: MessageEvent<Reply>) => {
      const fit = pending.get(data.id);
      pending.delete(data.id);
      if ("fitted" in data) fit?.resolve(data.fitted);
      else fit?.reject(new DOMException(data.failure.message, data.failure.name));
    };
    // The page's policy forbids workers: pending and later pictures are handled on this thread.
    worker.onerror = () => {
      hasWorker = false;
      worker = undefined;
      for (const { runHere, resolve, reject } of pending.values()) runHere().then(resolve, reject);
      pending.clear();
    };
    return worker;
  }

  return {
    fit: (source, target) => {
      const thread = started();
      if (!thread) return fitPicture(source, target);
      return new Promise((resolve, reject) => {
        latest += 1;
        const request: FitRequest = { id: latest, source, target };
        // A bitmap is copied, not transferred, so that this thread has it if the worker fails.
        thread.postMessage(request);
        const runHere = () => fitPicture(source, target);
        pending.set(latest, { runHere, reject, resolve });
      });
    },
    close: () => {
      worker?.terminate();
      worker = undefined;
      for (const { reject } of pending.values()) reject(new Error("the client was closed"));
      pending.clear();
    },
  };
}
