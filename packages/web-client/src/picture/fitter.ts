import { type FitTarget, type Fitted, fitPicture } from "./fit-picture.ts";

/** Makes pictures smaller away from the thread that draws the page. */
export interface Fitter {
  fit(source: Blob | ImageBitmap, target: FitTarget): Promise<Fitted>;
  close(): void;
}

/** What the worker is told, and what it says. */
interface Order {
  readonly id: number;
  readonly source: Blob | ImageBitmap;
  readonly target: FitTarget;
}

type Reply = { readonly id: number } & (
  | { readonly fitted: Fitted }
  | { readonly failure: { readonly name: string; readonly message: string } }
);

interface Waiting {
  readonly resolve: (fitted: Fitted) => void;
  readonly reject: (error: unknown) => void;
  /** Does it here, when the worker cannot be had. */
  readonly here: () => Promise<Fitted>;
}

/**
 * A worker from the text of `fitPicture`: it needs no file beside the bundle, and so works with every bundler and from
 * another origin. Minifiers and test tools may wrap functions in a helper of this name.
 */
function workerText(): string {
  return `const __name = (made) => made;
const fit = ${fitPicture.toString()};
onmessage = async ({ data: { id, source, target } }) => {
  try {
    postMessage({ id, fitted: await fit(source, target) });
  } catch ({ name, message }) {
    postMessage({ id, failure: { name, message } });
  }
};`;
}

/** A worker is started with the first picture. Where a page may have none, the same is done on its own thread. */
export function createFitter(): Fitter {
  const waiting = new Map<number, Waiting>();
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
      const asked = waiting.get(data.id);
      waiting.delete(data.id);
      if ("fitted" in data) asked?.resolve(data.fitted);
      else asked?.reject(new DOMException(data.failure.message, data.failure.name));
    };
    // The page's policy forbids it: what waits is done here, and everything after it.
    worker.onerror = () => {
      hasWorker = false;
      worker = undefined;
      for (const { here, resolve, reject } of waiting.values()) here().then(resolve, reject);
      waiting.clear();
    };
    return worker;
  }

  return {
    fit: (source, target) => {
      const thread = started();
      if (!thread) return fitPicture(source, target);
      return new Promise((resolve, reject) => {
        latest += 1;
        const order: Order = { id: latest, source, target };
        // A bitmap is copied, not handed over, so that it is still here when the worker fails.
        thread.postMessage(order);
        const here = () => fitPicture(source, target);
        waiting.set(latest, { here, reject, resolve });
      });
    },
    close: () => {
      worker?.terminate();
      worker = undefined;
      for (const { reject } of waiting.values()) reject(new Error("the client was closed"));
      waiting.clear();
    },
  };
}
