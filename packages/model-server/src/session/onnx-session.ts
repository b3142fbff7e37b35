import { Worker } from "node:worker_threads";
import type { FixedSizeTensor } from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import { ServingError } from "@tensorgate/tf-serving";
import { ortTensorFromTensor, tensorFromOrtTensor } from "./ort-tensor.ts";
import type { ModelSignature, RunMessage, WorkerMessage, WorkerStart } from "./session-worker.ts";

/** A loaded model that scores one request after the other, in a thread of its own. */
export interface OnnxSession {
  readonly signature: ModelSignature;
  /**
   * @param fetches - names of the outputs to compute
   * @throws ServingError INVALID_ARGUMENT with the engine's text if it refuses the tensors, UNAVAILABLE if its
   *   thread died
   */
  run(
    feeds: ReadonlyMap<string, FixedSizeTensor>,
    fetches: readonly string[],
  ): Promise<ReadonlyMap<string, FixedSizeTensor>>;
  close(): Promise<void>;
}

interface Pending {
  resolve(outputs: ReadonlyMap<string, FixedSizeTensor>): void;
  reject(error: Error): void;
}

/** `tsc` does not rewrite the name of a worker's file, so it is chosen by what this file is. */
const workerFile = new URL(
  import.meta.url.endsWith(".ts") ? "./session-worker.ts" : "./session-worker.js",
  import.meta.url,
);

/** @throws the engine's error if it cannot load the model */
export async function openOnnxSession(
  start: WorkerStart,
  /** Told when the thread ends by itself: the session is of no more use then. */
  onDeath: (error: Error) => void,
): Promise<OnnxSession> {
  const worker = new Worker(workerFile, { workerData: start });
  const pending = new Map<number, Pending>();
  let nextId = 0;
  let death: Error | undefined;

  const signature = await new Promise<ModelSignature>((resolve, reject) => {
    worker.on("message", (message: WorkerMessage) => {
      if (message.kind === "loaded") return resolve(message.signature);
      const caller = pending.get(message.id);
      pending.delete(message.id);
      if (message.kind === "failed") {
        caller?.reject(new ServingError(grpcCode.INVALID_ARGUMENT, message.message));
      } else {
        const outputs = [...message.outputs].map(
          ([name, tensor]) => [name, tensorFromOrtTensor(tensor)] as const,
        );
        caller?.resolve(new Map(outputs));
      }
    });
    worker.once("error", (error: Error) => {
      death = error;
      reject(error);
    });
    worker.once("exit", (code) => {
      death ??= new Error(`the session's thread ended with code ${code}`);
      reject(death);
      for (const caller of pending.values()) caller.reject(unavailable(death));
      pending.clear();
      onDeath(death);
    });
  });

  return {
    signature,
    run: (feeds, fetches) =>
      new Promise((resolve, reject) => {
        if (death) return reject(unavailable(death));
        const id = nextId++;
        const plain = new Map(
          [...feeds].map(([name, tensor]) => [name, ortTensorFromTensor(tensor)]),
        );
        pending.set(id, { resolve, reject });
        const message: RunMessage = { id, feeds: plain, fetches };
        worker.postMessage(
          message,
          [...plain.values()].map(({ data }) => data.buffer),
        );
      }),
    close: async () => {
      await worker.terminate();
    },
  };
}

function unavailable(cause: Error): ServingError {
  return new ServingError(
    grpcCode.UNAVAILABLE,
    "the model's session ended; it is being restarted",
    {
      cause,
    },
  );
}
