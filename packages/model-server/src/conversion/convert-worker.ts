import { parentPort, workerData } from "node:worker_threads";
import { convertModel } from "./convert-model.ts";

/** What a worker converts. */
export interface ConvertStart {
  readonly from: string;
  readonly to: string;
}

export type ConvertMessage =
  | { readonly kind: "done"; readonly warnings: readonly string[] }
  | { readonly kind: "failed"; readonly message: string };

// A conversion takes seconds, in which a server must answer.
if (parentPort) {
  const port = parentPort;
  const post = (message: ConvertMessage) => port.postMessage(message);
  try {
    const { warnings } = await convertModel(workerData as ConvertStart);
    post({ kind: "done", warnings });
  } catch (thrown) {
    post({ kind: "failed", message: thrown instanceof Error ? thrown.message : String(thrown) });
  }
}
